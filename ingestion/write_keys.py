"""Whose a write key is. Only its SHA-256 is ever looked up, kept or compared."""

import hashlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final
from uuid import UUID

from ingestion.database import Database, trim
from ingestion.problems import Problem, unavailable
from wire.errors import Transient

KNOWN_S: Final = 60
"""How long a key is taken without asking again: a revoked one is refused after at most this."""
UNKNOWN_S: Final = 2
AWAY_S: Final = 5
"""How long a known key goes on without asking again when PostgreSQL did not answer."""
MAX_KEYS: Final = 10_000

EVENTS: Final = "events"
HISTORY: Final = "history"

_BEARER: Final = re.compile(rb"[Bb]earer +(twk_[A-Za-z0-9_-]{43})")
_SQL: Final = "SELECT organization_id, rights FROM write_keys WHERE key_hash = $1 AND revoked_at IS NULL"


@dataclass(frozen=True, slots=True)
class WriteKey:
    """Whom a key writes for, and what it may write."""

    organization_id: UUID
    rights: frozenset[str]

    def require(self, *any_of: str) -> None:
        """Raises Problem 403 for a key with none of these rights."""
        if self.rights.isdisjoint(any_of):
            raise Problem(HTTPStatus.FORBIDDEN, f"This needs a write key with the right {' or '.join(any_of)}.")


@dataclass(slots=True)
class WriteKeys:
    """The keys in use, from PostgreSQL's `write_keys`."""

    database: Database
    clock: Callable[[], float] = time.monotonic
    _held: dict[bytes, tuple[WriteKey | None, float]] = field(default_factory=dict)

    async def find(self, authorization: bytes) -> WriteKey:
        """The key in an Authorization header.

        Raises Problem: 401 for none, a malformed or an unknown one; 503 where it is not known and PostgreSQL is away.
        """
        match = _BEARER.fullmatch(authorization.strip())
        if match is None:
            raise _unauthorized("Send Authorization: Bearer twk_..., a write key of your organization.")
        key_hash = hashlib.sha256(match[1]).digest()
        key, until = self._held.get(key_hash, (None, 0.0))
        if until <= self.clock():
            key = await self._ask(key_hash, key)
        if key is None:
            raise _unauthorized("This write key is unknown or revoked.")
        return key

    async def _ask(self, key_hash: bytes, held: WriteKey | None) -> WriteKey | None:
        if held is not None:
            self._held[key_hash] = held, self.clock() + AWAY_S
        try:
            rows = await self.database.fetch(_SQL, key_hash)
        except Transient as error:
            if held is None:
                raise unavailable("Write keys cannot be looked up just now; send the same again.") from error
            return held
        key = WriteKey(rows[0]["organization_id"], frozenset(rows[0]["rights"])) if rows else None
        self._held.pop(key_hash, None)
        self._held[key_hash] = key, self.clock() + (KNOWN_S if key else UNKNOWN_S)
        trim(self._held, MAX_KEYS)
        return key


def _unauthorized(detail: str) -> Problem:
    return Problem(HTTPStatus.UNAUTHORIZED, detail, www_authenticate='Bearer realm="tallywire"')
