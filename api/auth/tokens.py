"""Access tokens: JWTs signed with Ed25519, good for ten minutes."""

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey

from api.errors import Unauthenticated

LIFETIME_SECONDS: Final = 600
MOST_REMEMBERED: Final = 10_000
ALGORITHM: Final = "Ed25519"
"""RFC 9864's name for EdDSA over Ed25519."""
ISSUER: Final = "tallywire"
AUDIENCE: Final = "tallywire/api"


@dataclass(frozen=True)
class Claims:
    """Whom a token speaks of."""

    user_id: UUID
    organization_id: UUID
    session_id: UUID | None = None
    """a token without one was not made by signing in, and nobody can sign it out"""


def new_key_set() -> str:
    """A fresh JSON Web Key Set with one private signing key."""
    key = OKPKey.generate_key("Ed25519", {"alg": ALGORITHM, "use": "sig"}, auto_kid=True)
    return json.dumps(KeySet([key]).as_dict(private=True))


def ensure_key_file(path: Path) -> None:
    """Write a fresh key set to `path`, mode 0600, unless there is one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(handle, "w") as file:
        file.write(new_key_set())


def read_key_file(path: Path | None) -> KeySet:
    """The key set at `path`: its first key signs, any of them verifies.

    Raises ValueError saying what to do where there is none.
    """
    if path is None or not path.is_file():
        raise ValueError("no signing keys: set TALLYWIRE_SIGNING_KEYS_FILE and run `python -m api bootstrap`")
    keys = KeySet.import_key_set(json.loads(path.read_text()))
    first = next(iter(keys))
    if not isinstance(first, OKPKey) or first.curve_name != "Ed25519" or not first.is_private:
        raise ValueError("the first signing key must be a private Ed25519 key (kty OKP)")
    return keys


class Tokens:
    """Issues and reads access tokens. `now` is unix time in seconds."""

    def __init__(self, keys: KeySet, now: Callable[[], float] = time.time) -> None:
        self._keys = keys
        self._signing = next(iter(keys))
        self._now = now
        self._verified: dict[str, tuple[Claims, int]] = {}
        self._rules = jwt.JWTClaimsRegistry(
            now=lambda: int(now()),
            iss={"essential": True, "value": ISSUER},
            aud={"essential": True, "value": AUDIENCE},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
            jti={"essential": True},
            org={"essential": True},
        )

    def issue(self, user_id: UUID, organization_id: UUID, session_id: UUID | None = None) -> str:
        """A token for this user, in this session."""
        now = int(self._now())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "iat": now,
            "exp": now + LIFETIME_SECONDS,
            "sub": str(user_id),
            "org": str(organization_id),
            "jti": str(uuid4()),
            **({"sid": str(session_id)} if session_id else {}),
        }
        header = {"alg": ALGORITHM, "kid": self._signing.kid}
        return jwt.encode(header, claims, self._signing, algorithms=[ALGORITHM])

    def public_keys(self) -> dict[str, Any]:
        """The JSON Web Key Set by which others may verify our tokens."""
        return {"keys": [key.as_dict(private=False) for key in self._keys.keys]}

    def read(self, token: str) -> Claims:
        """Whom a token speaks of. Raises Unauthenticated for anything that we did not sign, or that is over.

        A signature is checked once, and remembered until the token is over: whoever asks often asks with the same one.
        """
        known = self._verified.get(token)
        if known and self._now() < known[1]:
            return known[0]
        claims, expires = self._verify(token)
        if len(self._verified) >= MOST_REMEMBERED:
            self._verified.clear()
        self._verified[token] = claims, expires
        return claims

    def _verify(self, token: str) -> tuple[Claims, int]:
        try:
            parsed = jwt.decode(token, self._keys, algorithms=[ALGORITHM])
            if "kid" not in parsed.header:
                raise ValueError("a token names its key")
            self._rules.validate(parsed.claims)
            of_session = UUID(parsed.claims["sid"]) if "sid" in parsed.claims else None
            claims = Claims(UUID(parsed.claims["sub"]), UUID(parsed.claims["org"]), of_session)
            return claims, int(parsed.claims["exp"])
        except (JoseError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise Unauthenticated("the access token does not hold; sign in again") from error
