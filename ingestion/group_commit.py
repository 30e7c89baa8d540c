"""Events of many requests, judged together and gathered into few large envelopes; each request waits for its own.

The first group after a pause goes at once; while groups follow each other, one goes every INTERVAL_S, or sooner after
one of many events. So an idle collector adds no delay, and a busy one sends no small envelopes: what an envelope costs,
here and where it is counted, is the same for one event as for a hundred. Each partition has its own lane with one
envelope under way at a time: order is kept, and a partition without a leader holds up nobody else.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self
from uuid import UUID

import structlog

from ingestion.columns import Columns, Cut, cut
from ingestion.parse import Refusal
from ingestion.validate import Sent, validate
from wire import envelope
from wire.accounts import Counts, window
from wire.envelope import Headers
from wire.errors import Transient

INTERVAL_S: Final = 0.05
AFTER_MANY_S: Final = 0.02
MANY_EVENTS: Final = 500
MAX_GROUP_EVENTS: Final = 20_000
"""With one more request this stays below the 32,767 distinct platforms that an envelope's dictionary can hold."""
MAX_WAIT_S: Final = 5
"""Behind an envelope that Kafka has not taken for so long, nothing waits: its senders are told to send again."""

Produce = Callable[[int, bytes, Headers], Awaitable[None]]
"""Partition, envelope and its headers -> returns when Kafka has it; raises anything when it has not."""

Accepted = Callable[[Counts], None]
"""Told of the events of each envelope that Kafka has taken."""

log = structlog.stdlib.get_logger(__name__)


@dataclass(slots=True, eq=False)
class _Ticket:
    """One request: how many of its envelopes are still under way, and whether one has failed."""

    sent: Sent | None
    done: asyncio.Future[Exception | None]
    refused: Sequence[Refusal] = ()
    envelopes: int = 0
    error: Exception | None = None

    def settle(self, error: Exception | None) -> None:
        self.error = self.error or error
        self.envelopes -= 1
        if self.envelopes <= 0 and not self.done.done():
            self.done.set_result(self.error)


@dataclass(frozen=True, slots=True)
class _Envelope:
    data: bytes
    headers: Headers
    events: Counts
    tickets: Sequence[_Ticket]
    at: float

    def settle(self, error: Exception | None) -> None:
        for ticket in self.tickets:
            ticket.settle(error)


@dataclass(slots=True, eq=False)
class _Lane:
    """One partition's envelopes, one after the other."""

    partition: int
    produce: Produce
    accepted: Accepted
    waiting: deque[_Envelope] = field(default_factory=deque)
    task: asyncio.Task[None] | None = None
    is_stuck: bool = False

    def put(self, sending: _Envelope) -> None:
        self.waiting.append(sending)
        if self.is_stuck:
            self.give_up()
        elif self.task is None:
            self.task = asyncio.create_task(self._carry())

    def give_up(self) -> None:
        """The envelope under way has been so for too long: nothing waits behind it."""
        self.is_stuck = True
        while self.waiting:
            self._give_up(self.waiting.popleft())

    def _give_up(self, sending: _Envelope) -> None:
        sending.settle(Transient(f"partition {self.partition}: it waited too long for the envelopes before it"))

    async def _carry(self) -> None:
        loop = asyncio.get_running_loop()
        while self.waiting:
            sending = self.waiting.popleft()
            if loop.time() > sending.at + MAX_WAIT_S:
                self._give_up(sending)
                continue
            alarm = loop.call_later(MAX_WAIT_S, self.give_up)
            try:
                await self.produce(self.partition, sending.data, sending.headers)
                self.accepted(sending.events)
                sending.settle(None)
            except Exception as error:
                log.warning("an envelope was not taken", partition=self.partition, error=repr(error))
                sending.settle(error)
            alarm.cancel()
            self.is_stuck = False
        self.task = None


@dataclass(slots=True)
class GroupCommit:
    """Use as an async context: at its end everything that was added is settled."""

    produce: Produce
    partitions: int
    collector_id: UUID
    """told in each envelope's headers"""
    accepted: Accepted = lambda _: None
    _waiting: list[_Ticket] = field(default_factory=list)
    _events: int = 0
    _timer: asyncio.TimerHandle | None = None
    _last_at: float = -1.0
    _next_at: float = -1.0
    _lanes: list[_Lane] = field(default_factory=list)

    async def add(self, sent: Sent) -> Sequence[Refusal]:
        """Returns when Kafka has every good event of these: why it has not the others.

        Raises Transient where it may not have some of the good ones.
        """
        count = len(sent.batch.events)
        if not count:
            return ()
        loop = asyncio.get_running_loop()
        if self._events + count > MAX_GROUP_EVENTS:
            self._flush()
        ticket = _Ticket(sent, loop.create_future())
        del sent  # the events are of no use any more once they are in envelopes, and may have to wait long
        self._waiting.append(ticket)
        self._events += count
        if self._timer is None:
            self._timer = loop.call_at(max(loop.time(), self._next_at), self._flush)
        if error := await ticket.done:
            raise Transient(f"Kafka may not have these events: {error!r}") from error
        return ticket.refused

    def _flush(self) -> None:
        """Judge what is waiting, cut it into envelopes and put each on its partition's lane."""
        tickets, self._waiting = self._waiting, []
        events, self._events = self._events, 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if tickets:
            self._last_at = asyncio.get_running_loop().time()
            self._next_at = self._last_at + (AFTER_MANY_S if events >= MANY_EVENTS else INTERVAL_S)
            self._send(tickets)

    def _send(self, tickets: Sequence[_Ticket]) -> None:
        try:
            columns, refused = validate([ticket.sent for ticket in tickets if ticket.sent])
            parts = list(cut(columns, self.partitions))
        except Exception as error:
            if len(tickets) > 1:  # whichever it is, it fails none of the others
                for ticket in tickets:
                    self._send([ticket])
                return
            log.exception("a request could not be encoded")
            tickets[0].settle(error)
            return
        for ticket, refusals in zip(tickets, refused, strict=True):
            ticket.sent, ticket.refused = None, refusals
        sending = [(part.partition, self._envelope(part, columns, tickets)) for part in parts]
        for partition, made in sending:
            self._lanes[partition].put(made)
        for ticket in tickets:
            if not ticket.envelopes:
                ticket.settle(None)

    def _envelope(self, part: Cut, columns: Columns, tickets: Sequence[_Ticket]) -> _Envelope:
        held: Counter[tuple[UUID, int]] = Counter()
        for owner, count in part.owners:
            held[columns.organizations[owner], window(columns.received_at_ms[owner])] += count
            tickets[owner].envelopes += 1
        headers = envelope.headers(self.collector_id, held)
        return _Envelope(part.data, headers, held, [tickets[owner] for owner, _ in part.owners], self._last_at)

    async def __aenter__(self) -> Self:
        self._lanes = [_Lane(n, self.produce, self.accepted) for n in range(self.partitions)]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._flush()
        for lane in self._lanes:
            if lane.task is not None:
                await lane.task
