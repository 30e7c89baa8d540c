"""Whose a write key is. Only its SHA-256 is ever looked up, kept or compared."""

import asyncio
import hashlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType
from typing import Final, Self
from uuid import UUID

from ingestion.database import Database, trim
from ingestion.problems import Problem, unavailable
from ingestion.questions import Questions
from wire.errors import Transient

CHECK_S: Final = 1
"""How often all held keys are asked for again, in one question: a revoked one is refused about so much later."""
UNKNOWN_S: Final = 2
"""How long one that is not there is refused without asking again."""
MAX_KEYS: Final = 10_000

EVENTS: Final = "events"
HISTORY: Final = "history"

_BEARER: Final = re.compile(rb"[Bb]earer +(twk_[A-Za-z0-9_-]{43})")
_SQL: Final = (
    "SELECT key_hash, organization_id, rights FROM write_keys WHERE key_hash = ANY($1::bytea[]) AND revoked_at IS NULL"
)


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
    """The keys in use, from PostgreSQL's `write_keys`. While used as an async context, revoked ones are forgotten."""

    database: Database
    clock: Callable[[], float] = time.monotonic
    _held: dict[bytes, WriteKey] = field(default_factory=dict)
    _unknown_until: dict[bytes, float] = field(default_factory=dict)
    _checking: asyncio.Task[None] | None = None
    _questions: Questions[bytes, WriteKey] = field(init=False)

    def __post_init__(self) -> None:
        self._questions = Questions(self._valid)

    async def find(self, authorization: bytes) -> WriteKey:
        """The key in an Authorization header.

        Raises Problem: 401 for none, a malformed or an unknown one; 503 where it is not known and PostgreSQL is away.
        """
        match = _BEARER.fullmatch(authorization.strip())
        if match is None:
            raise _unauthorized("Send Authorization: Bearer twk_..., a write key of your organization.")
        key_hash = hashlib.sha256(match[1]).digest()
        key = self._held.get(key_hash) or await self._ask(key_hash)
        if key is None:
            raise _unauthorized("This write key is unknown or revoked.")
        return key

    async def _ask(self, key_hash: bytes) -> WriteKey | None:
        if self._unknown_until.get(key_hash, 0.0) > self.clock():
            return None
        try:
            found = await self._questions.find([key_hash])
        except Transient as error:
            raise unavailable("Write keys cannot be looked up just now; send the same again.") from error
        if not found:
            self._unknown_until[key_hash] = self.clock() + UNKNOWN_S
            trim(self._unknown_until, MAX_KEYS)
        self._held |= found
        trim(self._held, MAX_KEYS)
        return found.get(key_hash)

    async def _valid(self, hashes: list[bytes]) -> dict[bytes, WriteKey]:
        """Those of these that are there and not revoked."""
        rows = await self.database.fetch(_SQL, hashes)
        return {row["key_hash"]: WriteKey(row["organization_id"], frozenset(row["rights"])) for row in rows}

    async def _check(self) -> None:
        while True:
            await asyncio.sleep(CHECK_S)
            asked = list(self._held)
            try:
                found = await self._valid(asked) if asked else {}
            except Transient:
                continue  # while PostgreSQL is away, known keys go on
            for key_hash in asked:
                self._held.pop(key_hash, None)
            self._held |= found

    async def __aenter__(self) -> Self:
        self._checking = asyncio.create_task(self._check())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._checking is not None:
            self._checking.cancel()


def _unauthorized(detail: str) -> Problem:
    return Problem(HTTPStatus.UNAUTHORIZED, detail, www_authenticate='Bearer realm="tallywire"')
