"""Runs one processor over one topic: its messages in order and without a gap, its positions stored after the effects.

No exception leaves a processor's loop, since Faust would only start it again, behind what failed: stores that are away
are waited for by the processor itself, and anything else ends the process, which goes on at the stored position.
"""

import asyncio
import os
from collections.abc import AsyncIterable, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol

import structlog

from streams import positions
from streams.doors import Doors
from streams.intake import Intake
from streams.messages import Message, position
from streams.stretches import Admit, Stretch, Stretches, anything, refused_before
from wire.telemetry import FLUSH_SECONDS
from wire.topics import Topic

SETTLE_EVERY_S = 1.0
MOST_UNSETTLED = 50_000
"""Messages; more are not processed before their effects are durable, since all that waits for it is in memory."""
TEND_EVERY_S = 5.0

_log = structlog.stdlib.get_logger("streams.runner")


class Processor(Protocol):
    """What turns messages into effects. Every effect must bear being repeated."""

    topic: Topic
    max_messages: int
    """at once"""
    every_s: float
    """from one batch to the next, unless more waits than fits"""

    async def start(self, doors: Doors) -> None:
        """Called once, before anything else."""

    async def assigned(self, positions: dict[int, int]) -> None:
        """These partitions, and no others, come next, from these positions on."""

    async def process(self, messages: list[Message], admit: Admit) -> None:
        """Returns when the effects are durable, or will be after the next `settle`. Calls `admit` before any effect
        with the messages that it will set aside, and lets what that raises pass."""

    async def settle(self) -> None:
        """Returns when every effect of what was processed before the call is durable; nothing to do for those whose
        `process` waits for it. The next messages may be processed meanwhile."""

    async def tend(self) -> None:
        """Called every few seconds, whether messages come or not, never beside `process`: gives a store that can lose
        something what it has lost. Where that store is away, it returns."""


class Runner:
    """One processor, its topic and its positions."""

    def __init__(
        self,
        processor: Processor,
        doors: Callable[[], Awaitable[Doors]],
        epoch: Callable[[], Awaitable[int]],
        stretches: Stretches,
    ):
        self.topic = processor.topic
        self._processor = processor
        self._open_doors = doors
        self._find_epoch = epoch
        self._stretches = stretches
        self._intake = Intake(processor.max_messages, processor.every_s)
        self._one_at_a_time = asyncio.Lock()
        self._one_settles = asyncio.Lock()
        self._next: dict[int, int] = {}
        self._stored: dict[int, int] = {}
        self._counted_ms: dict[int, int] = {}
        self._unsettled = 0
        self._epoch = 0
        self._beginning: asyncio.Task[dict[int, int]] | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Open the doors."""
        self.doors = await self._open_doors()
        await self._processor.start(self.doors)
        self._tasks = [asyncio.create_task(self._settle_for_ever()), asyncio.create_task(self._tend_for_ever())]

    async def stop(self) -> None:
        """Store the positions of what was processed; nothing is processed after that."""
        async with self._one_at_a_time:
            if self._tasks:
                async with self._one_settles:
                    for task in self._tasks:
                        task.cancel()
                await self._settle()
            self._next = {}

    async def assigned(self, partitions: set[int]) -> dict[int, int]:
        """Partitions that are ours from now on -> the offsets to go on at. Waits for what is being processed.

        Whoever waits may be called off, as Faust does when the next assignment comes: what was begun is done whole, and
        the next one waits for it.
        """
        self._beginning = asyncio.create_task(self._begin(partitions))
        return await asyncio.shield(self._beginning)

    @property
    def is_beginning(self) -> bool:
        """Whether an assignment is being carried out, for as long as the stores take."""
        return self._beginning is not None and not self._beginning.done()

    async def _begin(self, partitions: set[int]) -> dict[int, int]:
        with self._or_end("beginning"):
            async with self._one_at_a_time:
                await self._settle()
                self._intake.clear()  # it comes again, from the stored position on
                self._epoch = await self._find_epoch()
                stored = await positions.load(self.doors.clickhouse, self.topic.name, self._epoch)
                self._next = {partition: stored.get(partition, 0) for partition in partitions}
                self._stored = dict(self._next)
                await self._say_begun(partitions - stored.keys())
                most = self._stretches.most
                self._stretches.begin(await refused_before(self.doors.clickhouse, self.topic.name, self._next, most))
                await self._processor.assigned({p: position(self._epoch, offset) for p, offset in self._next.items()})
                _log.info("assigned", topic=self.topic.name, epoch=self._epoch, offsets=self._next)
                return dict(self._next)

    async def _say_begun(self, partitions: set[int]) -> None:
        """A log of which nothing is stored yet is known from now on: what the one before it lost is lost."""
        if partitions:
            begun = dict.fromkeys(partitions, 0)
            await positions.store(self.doors.clickhouse, self.topic.name, self._epoch, begun)

    @property
    def progress(self) -> dict[int, tuple[int, int | None]]:
        """Partition -> the next offset, and the time (unix ms) of the newest message processed."""
        return {partition: (offset, self._counted_ms.get(partition)) for partition, offset in self._next.items()}

    @property
    def stored(self) -> dict[int, int]:
        """Partition -> the offset to go on at, as it is stored."""
        return self._stored

    @property
    def has_room(self) -> bool:
        """Whether it takes more records."""
        return self._intake.has_room

    def put(self, records: Sequence[Any]) -> None:
        """These records (aiokafka's) of the topic come next in their partition."""
        self._intake.put(records)

    async def take(self) -> list[Any]:
        """The records of the next flush, once there are some; none while a stretch of bad ones stops it."""
        await self._stretches.going.wait()
        return await self._intake.take()

    async def consume(self, flushes: AsyncIterable[list[Any]]) -> None:
        """The agent: processes what it takes, for ever."""
        with self._or_end("processing"):
            async for records in flushes:
                await self.flush(records)

    async def flush(self, records: Sequence[Any]) -> None:
        """Process those of some records that are next."""
        async with self._one_at_a_time:
            messages = self._ours_in_order(records)
            if messages:
                await self._process(messages)
            if self._unsettled > MOST_UNSETTLED:
                await self._settle()

    async def _process(self, messages: list[Message]) -> None:
        with FLUSH_SECONDS.time():
            messages = await self._processed(messages)
        now_ms = int(self.doors.now() * 1000)
        self._unsettled += len(messages)
        for message in messages:
            self._next[message.partition] = message.offset + 1
            self._counted_ms[message.partition] = min(message.timestamp_ms, now_ms)

    async def _processed(self, messages: list[Message]) -> list[Message]:
        """Process them; where a stretch of them is all bad, only those before it. Answers what was processed."""
        try:
            await self._processor.process(messages, partial(self._stretches.admit, messages))
        except Stretch as stretch:
            if stretch.before:
                await self._processor.process(stretch.before, anything)
            return stretch.before
        return messages

    def _ours_in_order(self, records: Sequence[Any]) -> list[Message]:
        expected = dict(self._next)
        messages = []
        for record in records:
            if record.offset < expected.get(record.partition, record.offset + 1):
                continue
            if record.offset > expected[record.partition]:
                raise GapError(self.topic.name, record.partition, expected[record.partition], record.offset)
            expected[record.partition] += 1
            at = position(self._epoch, record.offset)
            messages.append(
                Message(
                    *(self.topic.name, record.partition, record.offset, at),
                    *(record.key, record.value or b"", record.timestamp, record.headers),
                )
            )
        return messages

    async def _settle(self) -> None:
        """Store how far all effects are durable. What is processed meanwhile is the next one's: the positions, and what
        `settle` has to do, are taken in one step of the event loop."""
        async with self._one_settles:
            moved = {p: offset for p, offset in self._next.items() if offset != self._stored[p]}
            self._unsettled = 0
            if moved:
                await self._processor.settle()
                await positions.store(self.doors.clickhouse, self.topic.name, self._epoch, moved)
                self._stored.update(moved)

    async def _settle_for_ever(self) -> None:
        with self._or_end("settling"):
            while True:
                await asyncio.sleep(SETTLE_EVERY_S)
                await self._settle()

    async def _tend_for_ever(self) -> None:
        with self._or_end("tending"):
            while True:
                await asyncio.sleep(TEND_EVERY_S)
                async with self._one_at_a_time:
                    await self._processor.tend()

    @contextmanager
    def _or_end(self, what: str) -> Iterator[None]:
        try:
            yield
        except Exception:
            _log.exception(
                f"{what} failed; this process ends, and goes on at the stored position", topic=self.topic.name
            )
            os._exit(70)


class GapError(Exception):
    """The log does not hold what comes next: it was cut, or read past."""

    def __init__(self, topic: str, partition: int, expected: int, got: int) -> None:
        super().__init__(f"{topic}/{partition}: expected offset {expected}, got {got}; nothing is skipped in silence")
