"""Events of many requests, gathered into few large envelopes; each request waits for those that carry its events.

The first group after a pause goes at once; while groups follow each other, one goes every INTERVAL_S, so an idle
collector adds no delay and a busy one sends no small envelopes. Each partition has its own lane with one envelope under
way at a time: order is kept, and a partition without a leader holds up nobody else.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self
from uuid import UUID

import numpy as np
import structlog

from ingestion.columns import Columns, cut
from wire import envelope
from wire.accounts import Counts
from wire.envelope import Headers
from wire.errors import Transient

INTERVAL_S: Final = 0.02
MAX_GROUP_EVENTS: Final = 20_000
"""With one more request this stays below the 32,767 distinct platforms that an envelope's dictionary can hold."""
MAX_WAIT_S: Final = 5
"""An envelope that has waited this long behind others is not sent any more; its senders are told to send again."""

Produce = Callable[[int, bytes, Headers], Awaitable[None]]
"""Partition, envelope and its headers -> returns when Kafka has it; raises anything when it has not."""

log = structlog.stdlib.get_logger(__name__)


@dataclass(slots=True, eq=False)
class _Ticket:
    """One request: how many of its envelopes are still under way, and whether one has failed."""

    columns: Columns
    done: asyncio.Future[Exception | None]
    envelopes: int = 0
    error: Exception | None = None

    def settle(self, error: Exception | None) -> None:
        self.error = self.error or error
        self.envelopes -= 1
        if self.envelopes == 0 and not self.done.done():
            self.done.set_result(self.error)


@dataclass(frozen=True, slots=True)
class _Envelope:
    data: bytes
    headers: Headers
    events: Counts
    tickets: Sequence[_Ticket]
    give_up_at: float


@dataclass(slots=True)
class GroupCommit:
    """Use as an async context: at its end everything that was added is settled."""

    produce: Produce
    partitions: int
    collector_id: UUID
    """told in each envelope's headers"""
    accepted: Callable[[Counts], None] = lambda _: None
    """told of the events of each envelope that Kafka has taken"""
    _waiting: list[_Ticket] = field(default_factory=list)
    _events: int = 0
    _timer: asyncio.TimerHandle | None = None
    _last_at: float = -1.0
    _lanes: list[asyncio.Queue[_Envelope]] = field(default_factory=list)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def add(self, columns: Columns) -> None:
        """Returns when Kafka has every one of these events. Raises Transient where it may not have some of them."""
        if not len(columns):
            return
        loop = asyncio.get_running_loop()
        if self._events + len(columns) > MAX_GROUP_EVENTS:
            self._flush()
        ticket = _Ticket(columns, loop.create_future())
        self._waiting.append(ticket)
        self._events += len(columns)
        if self._timer is None:
            self._timer = loop.call_at(max(loop.time(), self._last_at + INTERVAL_S), self._flush)
        if error := await ticket.done:
            raise Transient(f"Kafka may not have these events: {error!r}") from error

    def _flush(self) -> None:
        """Cut what is waiting into envelopes and put each on its partition's lane."""
        tickets, self._waiting, self._events = self._waiting, [], 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not tickets:
            return
        now = self._last_at = asyncio.get_running_loop().time()
        many = [ticket.columns for ticket in tickets]
        owners = np.repeat(np.arange(len(tickets)), list(map(len, many)))
        try:
            parts = list(cut(many, self.partitions))
        except Exception as error:
            log.exception("a group could not be encoded")
            for ticket in tickets:
                ticket.done.set_result(error)
            return
        for part in parts:
            carried = [tickets[at] for at in np.unique(owners[part.rows])]
            for ticket in carried:
                ticket.envelopes += 1
            headers = envelope.headers(self.collector_id, part.events)
            sending = _Envelope(part.data, headers, part.events, carried, now + MAX_WAIT_S)
            self._lanes[part.partition].put_nowait(sending)

    async def _lane(self, partition: int) -> None:
        queue = self._lanes[partition]
        while True:
            sending = await queue.get()
            error: Exception | None = None
            try:
                if asyncio.get_running_loop().time() > sending.give_up_at:
                    raise Transient("it waited too long for the envelopes before it")
                await self.produce(partition, sending.data, sending.headers)
                self.accepted(sending.events)
            except Exception as caught:
                log.warning("an envelope was not taken", partition=partition, error=repr(caught))
                error = caught
            for ticket in sending.tickets:
                ticket.settle(error)
            queue.task_done()

    async def __aenter__(self) -> Self:
        self._lanes = [asyncio.Queue() for _ in range(self.partitions)]
        self._tasks = [asyncio.create_task(self._lane(n)) for n in range(self.partitions)]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._flush()
        for lane in self._lanes:
            await lane.join()
        for task in self._tasks:
            task.cancel()
