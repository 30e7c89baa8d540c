"""Whose a piece of content is. Content never changes its organization, so what is once known stays true."""

import time
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from ingestion.database import Database, trim
from ingestion.problems import unavailable
from ingestion.questions import Questions
from ingestion.uuids import CANONICAL
from wire.errors import Transient

UNKNOWN_S: Final = 1
MAX_KNOWN: Final = 1_000_000
"""About 200 MB when full."""
MAX_UNKNOWN: Final = 100_000

_SQL: Final = "SELECT id, organization_id FROM content WHERE id = ANY($1::uuid[])"


@dataclass(slots=True)
class Contents:
    """Content ids, as senders write them, and their organizations, from PostgreSQL's `content`."""

    database: Database
    clock: Callable[[], float] = time.monotonic
    _owners: dict[str, bytes] = field(default_factory=dict)
    _unknown_until: dict[str, float] = field(default_factory=dict)
    _questions: Questions[str, bytes] = field(init=False)

    def __post_init__(self) -> None:
        self._questions = Questions(self._look_up)

    async def unknown(self, organization_id: UUID, ids: Sequence[str]) -> Set[str]:
        """Those of these ids that this organization does not have, whoever else may.

        Raises Problem 503 where one is not known yet and PostgreSQL is away.
        """
        mine = organization_id.bytes
        owner_of = self._owners.get
        if set(map(owner_of, ids)) <= {mine}:
            return frozenset()
        others = {id_ for id_ in ids if owner_of(id_) != mine}
        now = self.clock()
        asked = [
            id_
            for id_ in others
            if id_ not in self._owners and self._unknown_until.get(id_, 0.0) <= now and CANONICAL.fullmatch(id_)
        ]
        if asked:
            found = await self._ask(asked)
            others = {id_ for id_ in others if found.get(id_) != mine}
        return others

    async def _ask(self, ids: list[str]) -> dict[str, bytes]:
        try:
            return await self._questions.find(ids)
        except Transient as error:
            raise unavailable("Content cannot be looked up just now; send the same again.") from error

    async def _look_up(self, ids: list[str]) -> dict[str, bytes]:
        rows = await self.database.fetch(_SQL, ids)
        owners = {str(row["id"]): row["organization_id"].bytes for row in rows}
        found = {id_: owners[id_.lower()] for id_ in ids if id_.lower() in owners}
        self._owners |= found
        until = self.clock() + UNKNOWN_S
        self._unknown_until |= {id_: until for id_ in ids if id_ not in found}
        trim(self._owners, MAX_KNOWN)
        trim(self._unknown_until, MAX_UNKNOWN)
        return found
