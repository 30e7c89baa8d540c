"""The log against the ledger, stretch by stretch: how many events each brings for the first time, and their checksum.

Events are read from the log by this file alone and put beside the ledger in ClickHouse, which computes both checksums
by one expression. An event counts in the stretch in which it is first; whether it came earlier, the ledger is asked,
whose earlier stretches are compared with the log as well.
"""

import secrets
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import Any, Final
from uuid import UUID

import numpy as np
import pyarrow as pa
from clickhouse_connect.driver.asyncclient import AsyncClient

from stack.log.reading import Log
from stack.log.sql import statement
from streams.messages import position
from wire import envelope, ids
from wire.countable import wrong
from wire.errors import Poison
from wire.events import KINDS
from wire.topics import EVENTS

MESSAGES: Final = 256
"""In a stretch."""
_OVERFLOW: Final = (1 << 64) - 1

Sums = dict[tuple[int, int], tuple[int, int]]
"""(partition, stretch) -> events, checksum"""


@dataclass(frozen=True)
class Stretch:
    """Where log and ledger differ: offsets `start` to before `end`; (events, checksum) of each."""

    partition: int
    start: int
    end: int
    log: tuple[int, int]
    ledger: tuple[int, int]


@dataclass(frozen=True)
class Event:
    """An event of which log and ledger say something different: (platform, kind, robot, value), None for nothing."""

    organization_id: UUID
    content_id: UUID
    id: UUID
    log: tuple[Any, ...] | None
    ledger: tuple[Any, ...] | None


@dataclass
class Read:
    """What was read of a log so far; reading goes on where it ended."""

    epoch: int = 0
    starts: dict[int, int] = field(default_factory=dict)
    reached: dict[int, int] = field(default_factory=dict)
    sums: Sums = field(default_factory=lambda: defaultdict(lambda: (0, 0)))
    refused: int = 0
    """messages that hold no events that may be counted"""

    def begin(self, epoch: int) -> None:
        """Forget everything: this is another log."""
        self.epoch, self.refused = epoch, 0
        for known in (self.starts, self.reached, self.sums):
            known.clear()

    @property
    def events(self) -> int:
        """How many different events that is."""
        return sum(events for events, _ in self.sums.values())


async def read_on(log: Log, clickhouse: AsyncClient, read: Read, stored: Mapping[int, int]) -> None:
    """Read each partition from where it was read to, up to its stored offset."""
    starts = await log.starts(EVENTS)
    async with scratch(clickhouse) as table:
        for of, end in sorted(stored.items()):
            start = read.reached.get(of, read.starts.setdefault(of, starts[of]))
            async for records in log.messages(EVENTS, of, start, end):
                for stretch, some in groupby(records, lambda record: int(record.offset) // MESSAGES):
                    part = list(some)
                    read.refused += await table.add(part, of, read.epoch)
                    until = int(part[-1].offset) + 1
                    if until == end or until % MESSAGES == 0:
                        events, checksum = await table.summary(position(read.epoch, start))
                        before = read.sums[of, stretch]
                        read.sums[of, stretch] = (before[0] + events, before[1] + checksum & _OVERFLOW)
                        read.reached[of] = start = until


async def compare(clickhouse: AsyncClient, read: Read) -> list[Stretch]:
    """The stretches in which the ledger holds something else than what was read."""
    bounds = partial(_bounds, read)
    asked = {"messages": MESSAGES, "start": bounds(read.starts), "end": bounds(read.reached)}
    rows = (await clickhouse.query(statement("ledger"), parameters=asked)).result_rows
    held: Sums = {(of, stretch): (events, checksum) for of, stretch, events, checksum in rows}
    return [
        Stretch(
            of,
            max(stretch * MESSAGES, read.starts[of]),
            min((stretch + 1) * MESSAGES, read.reached[of]),
            read.sums.get((of, stretch), (0, 0)),
            held.get((of, stretch), (0, 0)),
        )
        for of, stretch in sorted(held.keys() | read.sums.keys())
        if read.sums.get((of, stretch), (0, 0)) != held.get((of, stretch), (0, 0))
    ]


async def events_of(log: Log, clickhouse: AsyncClient, epoch: int, stretch: Stretch) -> list[Event]:
    """The first hundred events in which a stretch and the ledger differ."""
    of = stretch.partition
    async with scratch(clickhouse) as table:
        async for records in log.messages(EVENTS, of, stretch.start, stretch.end):
            await table.add(records, of, epoch)
        rows = await table.differences(of, position(epoch, stretch.start), position(epoch, stretch.end))
    return [
        Event(UUID(str(organization)), UUID(str(content)), UUID(str(id_)), _only(in_log), _only(in_ledger))
        for organization, content, id_, in_log, in_ledger in rows
    ]


@dataclass
class Scratch:
    """A table in ClickHouse with the events of a stretch of the log."""

    clickhouse: AsyncClient
    name: str
    place: int = 0

    async def add(self, records: Sequence[Any], of: int, epoch: int) -> int:
        """The events of more messages; answers how many messages were refused."""
        parts = []
        for record in records:
            with suppress(Poison):
                parts.append(events_in(record.value or b"", of, position(epoch, record.offset)))
        if rows := sum(len(part) for part in parts):
            places = pa.array(np.arange(self.place, self.place + rows, dtype=np.uint64))
            await self.clickhouse.insert_arrow(self.name, pa.concat_tables(parts).append_column("place", places))
            self.place += rows
        return len(records) - len(parts)

    async def summary(self, start: int) -> tuple[int, int]:
        """Events that the log did not have before the position `start`, and their checksum; then it is empty."""
        if not self.place:
            return 0, 0
        asked = {"table": self.name, "start": start}
        ((events, checksum),) = (await self.clickhouse.query(statement("summary"), parameters=asked)).result_rows
        await self.clickhouse.command(statement("empty"), parameters={"table": self.name})
        self.place = 0
        return events, checksum

    async def differences(self, of: int, start: int, end: int) -> Sequence[Sequence[Any]]:
        """The events in which the ledger differs between two positions of a partition."""
        asked = {"table": self.name, "partition": of, "start": start, "end": end}
        rows: Sequence[Sequence[Any]] = (
            await self.clickhouse.query(statement("differences"), parameters=asked)
        ).result_rows
        return rows


@asynccontextmanager
async def scratch(clickhouse: AsyncClient) -> AsyncIterator[Scratch]:
    """An empty table, which is dropped in the end; what a process that was killed has left is dropped first."""
    for (name,) in (await clickhouse.query(statement("left_behind"))).result_rows:
        await clickhouse.command(statement("drop"), parameters={"table": name})
    table = f"log_read_{secrets.token_hex(6)}"
    await clickhouse.command(statement("make"), parameters={"table": table})
    try:
        yield Scratch(clickhouse, table)
    finally:
        await clickhouse.command(statement("drop"), parameters={"table": table})


def events_in(value: bytes, of: int, at: int) -> pa.Table:
    """An envelope's events. Raises Poison for one that may not be counted."""
    events = envelope.decode(value)
    for _, poison in wrong(
        kind=events["kind"].to_numpy(),
        id_=_words(events["id"]),
        value=events["value"].to_numpy(),
        content=_words(events["content_id"]),
        partition=of,
        partitions=EVENTS.partitions,
    ):
        raise poison
    columns = {name: events[name] for name in events.schema.names}
    columns["kind"] = pa.array(KINDS, pa.string()).take(events["kind"])
    columns["platform"] = events["platform"].cast(pa.string())
    columns["position"] = pa.array(np.full(events.num_rows, at, np.uint64))
    return pa.table(columns)


def _words(column: pa.Array) -> tuple[ids.Words, ids.Words]:
    return ids.words(np.frombuffer(b"".join(column.to_pylist()), np.uint8).reshape(-1, 16))


def _bounds(read: Read, offsets: Mapping[int, int]) -> list[int]:
    return [position(read.epoch, offsets[of]) if of in read.reached else 0 for of in range(EVENTS.partitions)]


def _only(rows: Sequence[tuple[Any, ...]]) -> tuple[Any, ...] | None:
    return tuple(rows[0]) if rows else None
