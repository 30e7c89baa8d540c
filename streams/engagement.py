"""Engagement events: counted once, stored in the ledger, projected as absolute figures.

The order is the promise: the ledger, then the projections, then (by whoever runs this) the position. A crash between
any two steps means that the same messages come again, and every step takes them again without a change.
"""

import asyncio
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import msgspec
import numpy as np
import structlog

from streams import accounts, envelopes, recounts
from streams.accounts import Account
from streams.buckets import MAX_BYTES, Buckets, Counted
from streams.doors import Doors
from streams.findings import Finding, found, payload, too_large
from streams.messages import Message
from streams.rejections import of_message, store
from streams.repair import repair
from streams.retry import until_done
from streams.sinks.counters import Counters, Update, updates
from streams.sinks.ledger import Ledger, Recounted
from streams.stretches import Admit, anything
from wire import ids
from wire.commands import MOST_PAYLOAD_BYTES, RECORD_ENGAGEMENT, Command, payloads
from wire.events import encode
from wire.redis import answers
from wire.telemetry import EVENTS_DUPLICATE, EVENTS_STORED
from wire.topics import EVENTS, FINDINGS

_PIECES_A_COMMAND: Final = 500

_log = structlog.stdlib.get_logger("streams.engagement")


class EngagementProcessor:
    """Envelopes of `engagement.events` -> ledger, aggregates, counters, and findings for PostgreSQL."""

    topic = EVENTS
    max_messages = 5_000
    every_s = 0.2

    def __init__(self, new_id: Callable[[], UUID] = ids.new_id, max_bytes: int = MAX_BYTES) -> None:
        self._new_id = new_id
        self._max_bytes = max_bytes
        self._buckets = Buckets(0, None)
        self._platforms = envelopes.Platforms()
        self._pending: dict[bytes, Finding] = {}
        self._accounts: list[Account] = []
        self._written: dict[int, int] = {}
        self._telling: asyncio.Task[None] | None = None

    async def start(self, doors: Doors) -> None:
        """Open the sinks."""
        self._doors = doors
        self._ledger = Ledger(doors.clickhouse, self._platforms)
        self._counters = Counters(doors.redis)

    async def assigned(self, positions: dict[int, int]) -> None:
        """Begin anew at these positions; what was held is a function of the log, so nothing is lost."""
        self._limits = np.zeros(EVENTS.partitions, np.uint64)
        for partition, position in positions.items():
            self._limits[partition] = position
        self._pending.clear()
        self._accounts.clear()
        self._written = dict(positions)
        await self._begin()
        await self._repair(positions)

    async def process(self, messages: list[Message], admit: Admit = anything) -> None:
        """Count the messages' events. Returns when ledger, aggregates and counters have them.

        Where a recount comes between, this begins anew in its generation; what Redis took of the earlier one is not
        what was written.
        """
        if self._buckets.is_full or self._platforms.is_full:
            self._platforms.forget()
            await self._load()
        events, refused = await asyncio.to_thread(envelopes.read, messages, EVENTS.partitions, self._platforms)
        admit(refused)
        await store(self._doors, [of_message(message, poison) for message, poison in refused])
        if len(events.position):
            reached = {message.partition: message.position + 1 for message in messages}
            try:
                await self._count(events, reached, messages)
            except Recounted as recounted:
                _log.info("beginning anew", why=str(recounted))
                self._written = {partition: int(self._limits[partition]) for partition in self._written}
                await self._begin()
                await self._count(events, reached, messages)
        self._accounts += [account for message, _ in refused for account in accounts.refused(message)]
        for message in messages:
            self._limits[message.partition] = message.position + 1

    async def settle(self) -> None:
        """Account for what was counted, report what changed since the last time; then the positions may be stored."""
        pending, accounted = list(self._pending.values()), self._accounts
        self._pending, self._accounts = {}, []
        await accounts.store(self._doors, accounted)
        await self._report(pending)

    async def tend(self) -> None:
        """The figures may have been recounted; Redis may have been emptied, or turned back."""
        if self._written and await self._ledger.was_recounted(self._counters.generation):
            await self._begin()
        if self._telling and self._telling.done():
            self._telling.result()
        if await answers(self._doors.redis):
            await self._repair(self._written)

    async def _begin(self) -> None:
        """Begin in the generation that the aggregates take; carry everywhere what the recount before it left."""
        if self._telling:
            self._telling.cancel()
            self._telling = None
        generation = self._counters.generation = await self._ledger.generation()
        await self._load()
        untold = await recounts.untold(self._doors, generation, self._written)
        if untold:
            _log.info("recounted", generation=generation, partitions=sorted(untold))
            await self._ledger.catch_up(untold, generation)
            telling = recounts.tell(self._doors, self._ledger, generation, untold, self._report)
            self._telling = asyncio.create_task(telling)

    async def _load(self) -> None:
        """A state that holds nothing yet; the one before it is let go first, so that there are never two."""
        self._buckets = Buckets(0, None)
        self._buckets = await self._ledger.begin(self._max_bytes)

    async def _count(self, events: envelopes.Events, reached: dict[int, int], messages: list[Message]) -> None:
        missing = await asyncio.to_thread(self._buckets.missing, events.batch)
        await self._ledger.load(self._buckets, missing, self._limits)
        counted = await asyncio.to_thread(self._buckets.count, events.batch, missing.places)
        fresh = int(counted.fresh.sum())
        rows = await asyncio.to_thread(envelopes.ledger_rows, events, counted, self._platforms)
        await self._ledger.insert(rows)
        projecting = asyncio.create_task(self._project(counted, reached))
        try:
            await self._ledger.aggregate(counted, self._counters.generation)
        finally:
            changed, lost = await projecting
        await self._repair(lost)
        self._pending |= found(counted, changed, self._counters.generation)
        counts = await asyncio.to_thread(accounts.counted, events, counted.fresh, messages)
        self._accounts += counts
        EVENTS_STORED.inc(fresh)
        EVENTS_DUPLICATE.inc(len(counted.fresh) - fresh)

    async def _project(self, counted: Counted, reached: dict[int, int]) -> tuple[dict[int, Update], list[int]]:
        """Bring the counters what changed; answers that, and the partitions of which Redis has lost something."""
        changed = updates(counted, self._platforms, await self._counters.now_s())
        return changed, await self._advance(changed, reached)

    async def _advance(self, changed: dict[int, Update], reached: dict[int, int]) -> list[int]:
        answers = await asyncio.gather(
            *(
                self._counters.advance(partition, self._written[partition], reached[partition], update)
                for partition, update in changed.items()
            )
        )
        lost = [of for of, held in zip(changed, answers, strict=True) if held < self._counters.at(self._written[of])]
        self._written |= {partition: reached[partition] for partition in changed}
        return lost

    async def _repair(self, partitions: Iterable[int]) -> None:
        to = {partition: self._written[partition] for partition in partitions}
        come = {partition: max(to[partition], int(self._limits[partition])) for partition in to}
        await repair(self._ledger, self._counters, self._platforms, to, come)

    async def _report(self, findings: list[Finding]) -> None:
        for at in range(0, len(findings), _PIECES_A_COMMAND):
            for some, made in payloads(findings[at : at + _PIECES_A_COMMAND], payload):
                await self._command(some[0], made)

    async def _command(self, first: Finding, made: bytes) -> None:
        """Send a payload, whose first piece is its key; what no message holds is set aside, or nothing went on."""
        issued_at = datetime.fromtimestamp(self._doors.now(), UTC)
        if len(made) > MOST_PAYLOAD_BYTES:
            await store(self._doors, [too_large(first, issued_at)])
            return
        command = Command(
            id=self._new_id(),
            type=RECORD_ENGAGEMENT,
            organization_id=None,
            key=str(UUID(bytes=first[0][16:])),
            issued_at=issued_at,
            payload=msgspec.Raw(made),
        )
        await self._send(FINDINGS.name, command.key.encode(), encode(command))

    async def _send(self, topic: str, key: bytes, value: bytes) -> None:
        await until_done(topic, lambda: self._doors.producer.send_and_wait(topic, value, key))
