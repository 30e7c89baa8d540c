"""What this collector says it has accepted, per organization and window, told to ClickHouse by itself.

So what is in flight shows while nothing counts, too. No request ever waits for it: what ClickHouse has not taken is
told again a few seconds later, and what a killed collector did not get to tell is found in the log itself.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, Self
from uuid import UUID

import structlog

from ingestion.accounts_table import AWAY, Claim
from wire.accounts import WINDOW_S, Counts, window_at

EVERY_S: Final = 1
AWAY_S: Final = 5
"""How long ClickHouse is left alone after it did not answer, and how long the last word may take."""
SETTLED_S: Final = 2 * WINDOW_S
"""A window that has not grown for so long is told and forgotten: no event is on its way to Kafka that long."""
MAX_HELD: Final = 100_000
"""Windows of organizations, 40 MB; beyond, those that did not grow for longest are left to the log to tell of."""

Store = Callable[[Sequence[Claim]], Awaitable[None]]
"""Returns when the claims are stored; raises one of AWAY where they are not."""

log = structlog.stdlib.get_logger(__name__)


@dataclass(slots=True)
class _Total:
    accepted: int
    last_s: float
    told: int = 0


@dataclass(slots=True)
class Claims:
    """Use as an async context: at its end the last word is told, if that goes quickly."""

    collector_id: UUID
    store: Store
    now: Callable[[], float] = time.time
    _totals: dict[tuple[UUID, int], _Total] = field(default_factory=dict)
    """in the order in which they last grew"""
    _telling: asyncio.Task[None] | None = None

    def add(self, counts: Counts) -> None:
        """Kafka has taken these."""
        now = self.now()
        for of, events in counts.items():
            held = self._totals.pop(of, None) or _Total(0, now)
            held.accepted += events
            held.last_s = now
            self._totals[of] = held

    async def tell(self) -> None:
        """Store what grew; raises what `store` raises, and then it is told the next time."""
        claims = {of: self._claim(of, total) for of, total in self._totals.items() if total.accepted > total.told}
        if claims:
            await self.store(list(claims.values()))
        for of, claim in claims.items():
            self._totals[of].told = claim.accepted
        self._forget()

    def _claim(self, of: tuple[UUID, int], total: _Total) -> Claim:
        organization_id, start_s = of
        last_at = datetime.fromtimestamp(total.last_s, UTC)
        return Claim(organization_id, window_at(start_s), self.collector_id, total.accepted, last_at)

    def _forget(self) -> None:
        """Let go of what was told and will not grow any more."""
        until = self.now() - SETTLED_S
        for of in [of for of, held in self._totals.items() if held.last_s < until and held.told == held.accepted]:
            del self._totals[of]

    def _make_room(self) -> None:
        oldest = list(self._totals)[: max(0, len(self._totals) - MAX_HELD)]
        for of in oldest:
            del self._totals[of]
        if oldest:
            log.error("what was accepted in some windows is not told to ClickHouse any more", windows=len(oldest))

    async def _tell_for_ever(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self.tell()
            except AWAY as error:
                log.warning("what was accepted is told to ClickHouse later", error=str(error)[:200])
                self._make_room()
                await asyncio.sleep(AWAY_S)

    async def __aenter__(self) -> Self:
        self._telling = asyncio.create_task(self._tell_for_ever())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._telling is not None:
            self._telling.cancel()
        try:
            async with asyncio.timeout(AWAY_S):
                await self.tell()
        except AWAY as away:
            log.warning("the last accepted events were not told to ClickHouse", error=str(away)[:200])
