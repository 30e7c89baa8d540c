"""What became of the events of each envelope: how many were stored, how many were duplicates, how many were refused.

Whether an event is stored or a duplicate follows from the log's prefix, so these rows do as well: whoever counts an
envelope again writes the same row.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Final, NamedTuple
from uuid import UUID

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from streams import uuids
from streams.doors import Doors
from streams.envelopes import Events
from streams.index import Flags, Index
from streams.messages import Message
from streams.rejections import NOBODY
from streams.retry import until_done
from streams.sinks import native
from wire import envelope
from wire.accounts import LAST_S, WINDOW_S, Counts, window
from wire.errors import Poison

_TYPES: Final = (
    envelope.UUID_BYTES,
    pa.uint32(),
    pa.uint16(),
    pa.uint64(),
    envelope.UUID_BYTES,
    pa.uint64(),
    pa.uint64(),
    pa.uint64(),
)


class Account(NamedTuple):
    """One organization's events of one window in one envelope; `window` is the unix second of its start."""

    organization_id: UUID
    window: int
    partition: int
    position: int
    collector: UUID
    stored: int
    duplicate: int
    rejected: int


def counted(events: Events, fresh: Flags, messages: Sequence[Message]) -> list[Account]:
    """What became of the events of some envelopes that were counted; `messages` are those that brought them."""
    if not len(fresh):
        return []
    collectors = {(each.partition, each.position): collector(each) for each in messages}
    columns = [*events.batch.content[:, :2].T, _windows(events.columns), events.partition, events.position]
    begins = np.ones(len(fresh), np.bool_)
    begins[1:] = reduce(np.logical_or, (column[1:] != column[:-1] for column in columns))
    starts = np.flatnonzero(begins)
    index = Index(len(columns))
    rows, _ = index.find_or_add(np.column_stack([column[starts].astype(np.uint64) for column in columns]))
    stored = np.bincount(rows, np.add.reduceat(fresh.astype(np.int64), starts)).astype(int)
    every = np.bincount(rows, np.diff(starts, append=len(fresh))).astype(int)
    return [
        Account(UUID(int=high << 64 | low), at, part, position, collectors[part, position], new, all_ - new, 0)
        for (high, low, at, part, position), new, all_ in zip(
            index.keys.tolist(), stored.tolist(), every.tolist(), strict=True
        )
    ]


def refused(message: Message) -> list[Account]:
    """What was refused with a whole envelope: its events, or what its header tells of them, or one of nobody."""
    counts = _held(message) or _told(message)[1] or {(NOBODY, window(message.timestamp_ms)): 1}
    return [
        Account(organization_id, start_s, message.partition, message.position, collector(message), 0, 0, events)
        for (organization_id, start_s), events in counts.items()
    ]


def collector(message: Message) -> UUID:
    """Who wrote an envelope; NOBODY where it does not say."""
    return _told(message)[0]


def _held(message: Message) -> Counts:
    try:
        events = envelope.decode(message.value)
    except Poison:
        return {}
    of = uuids.words(events["organization_id"]).tolist()
    windows = _windows(pa.Table.from_batches([events])).tolist()
    return Counter((UUID(int=high << 64 | low), at) for (high, low), at in zip(of, windows, strict=True))


def _told(message: Message) -> tuple[UUID, Counts]:
    try:
        return envelope.read_headers(message.headers)
    except Poison:
        return NOBODY, {}


def _windows(events: pa.Table) -> npt.NDArray[np.int64]:
    seconds = np.clip(events["received_at"].cast(pa.int64()).to_numpy() // 1000, 0, LAST_S)
    windows: npt.NDArray[np.int64] = seconds - seconds % WINDOW_S
    return windows


async def store(doors: Doors, accounts: Sequence[Account]) -> None:
    """Returns when the table has them. The same again is the same row."""
    if accounts:
        rows = table(accounts)
        await until_done("accounts", lambda: asyncio.to_thread(native.insert, doors.clickhouse, "counted_events", rows))


def table(accounts: Iterable[Account]) -> pa.Table:
    """Accounts as rows of the table."""
    raw = [(one.organization_id.bytes, *one[1:4], one.collector.bytes, *one[5:]) for one in accounts]
    columns = map(pa.array, zip(*raw, strict=True), _TYPES)
    return pa.table(dict(zip(Account._fields, columns, strict=True)))
