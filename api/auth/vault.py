"""What must be read again, unlike a password, and yet not lie open in PostgreSQL: encrypted by keys of the settings."""

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import SecretStr

from api.errors import Conflict

SHORTEST_KEY = 32


class Vault:
    """Seals and opens; the first key seals, all of them open. Raises ValueError for a key that is too short."""

    def __init__(self, keys: SecretStr) -> None:
        texts = [key.strip() for key in keys.get_secret_value().split(",") if key.strip()]
        if any(len(key) < SHORTEST_KEY for key in texts):
            raise ValueError(f"each of TALLYWIRE_ENCRYPTION_KEYS needs at least {SHORTEST_KEY} random characters")
        digests = [base64.urlsafe_b64encode(hashlib.sha256(key.encode()).digest()) for key in texts]
        self._fernet = MultiFernet([Fernet(key) for key in digests]) if digests else None

    def seal(self, text: str) -> bytes:
        """The text, encrypted. Raises Conflict where no key was set."""
        return self._keys().encrypt(text.encode())

    def open(self, sealed: bytes) -> str:
        """The text again. Raises Conflict where the key that sealed it is no longer there."""
        try:
            return self._keys().decrypt(sealed).decode()
        except InvalidToken as error:
            raise Conflict("the key that encrypted this is not in TALLYWIRE_ENCRYPTION_KEYS any more") from error

    def _keys(self) -> MultiFernet:
        if self._fernet is None:
            raise Conflict("nothing can be encrypted here: ask the operator to set TALLYWIRE_ENCRYPTION_KEYS")
        return self._fernet
