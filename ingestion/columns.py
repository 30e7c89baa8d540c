"""Judged events of a group of requests, column by column, on their way into envelopes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, NamedTuple, Self
from uuid import UUID

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute  # or `take` loads it while the first group waits

from ingestion.uuids import Bytes
from wire import envelope
from wire.ids import partitions, words

MAX_ENVELOPE_EVENTS: Final = 5_000
MAX_ENVELOPE_BYTES: Final = 4_000_000
"""Before compression; well below what Kafka takes, even where nothing compresses."""
FIXED_BYTES: Final = 80
"""Of an event without its texts."""

Rows = npt.NDArray[np.intp]


class Coded(NamedTuple):
    """A text column of few different texts."""

    names: Sequence[str]
    codes: npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Texts:
    """A text column: UTF-8 one after the other, and where each begins and the last one ends."""

    data: bytes
    offsets: npt.NDArray[np.int32]

    @classmethod
    def of(cls, texts: Sequence[str]) -> Self:
        """From texts."""
        joined = "".join(texts)
        return cls(joined.encode(), _offsets(texts)) if joined.isascii() else cls.of_bytes([t.encode() for t in texts])

    @classmethod
    def of_bytes(cls, texts: Sequence[bytes | msgspec.Raw]) -> Self:
        """From UTF-8."""
        return cls(b"".join(texts), _offsets(texts))

    def lengths(self) -> npt.NDArray[np.int32]:
        """In bytes."""
        return np.diff(self.offsets)

    def first_bytes(self) -> npt.NDArray[np.uint8]:
        """The first byte of each, 0 of an empty one."""
        starts = self.offsets[:-1]
        return np.where(self.lengths() > 0, np.frombuffer(self.data + b"\0", np.uint8)[starts], np.uint8(0))

    def places_of(self, byte: int) -> Rows:
        """The places of those that have this byte in them."""
        found = np.flatnonzero(np.frombuffer(self.data, np.uint8) == byte)
        return np.searchsorted(self.offsets, found, side="right") - 1


def _offsets(texts: Sequence[str | bytes | msgspec.Raw]) -> npt.NDArray[np.int32]:
    offsets = np.zeros(len(texts) + 1, np.int32)
    np.cumsum(np.fromiter(map(len, texts), np.int32, len(texts)), out=offsets[1:])
    return offsets


@dataclass(frozen=True, slots=True)
class Columns:
    """A group's events; every column is as long as `owner`."""

    organizations: Sequence[UUID]
    """of each request"""
    received_at_ms: Sequence[int]
    """of each request"""
    owner: Rows
    """the request that each event came in; ascending"""
    good: Rows
    """which events go on; ascending"""
    content_id: Bytes
    id: Bytes
    kind: bytes
    platform: Coded
    robot: bytes
    value: npt.NDArray[np.uint64]
    actor: Texts
    attributes: Texts

    def __len__(self) -> int:
        return len(self.owner)


def to_arrow(columns: Columns) -> pa.RecordBatch:
    """All events, those that do not go on too, as one batch of the envelope's schema."""
    count, owner = len(columns), columns.owner
    organizations = np.frombuffer(b"".join(one.bytes for one in columns.organizations), "V16")[owner]
    arrays = [
        _plain(envelope.UUID_BYTES, count, organizations),
        _plain(envelope.UUID_BYTES, count, columns.content_id),
        _plain(envelope.UUID_BYTES, count, columns.id),
        _plain(pa.uint8(), count, columns.kind),
        pa.DictionaryArray.from_arrays(
            _plain(pa.int16(), count, columns.platform.codes), _texts(Texts.of(columns.platform.names))
        ),
        _plain(pa.bool_(), count, np.packbits(np.frombuffer(columns.robot, np.uint8), bitorder="little")),
        _plain(pa.uint64(), count, columns.value),
        _texts(columns.actor),
        _texts(columns.attributes),
        _plain(pa.timestamp("ms", "UTC"), count, np.array(columns.received_at_ms)[owner]),
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=envelope.SCHEMA)


# Arrays are made from their buffers: pa.array() would be shorter, and loads pandas, which takes a second and 40 MB.


def _plain(kind: pa.DataType, count: int, data: bytes | npt.NDArray[Any]) -> pa.Array:
    return pa.Array.from_buffers(kind, count, [None, pa.py_buffer(data)])


def _texts(texts: Texts) -> pa.Array:
    buffers = [None, pa.py_buffer(texts.offsets), pa.py_buffer(texts.data)]
    return pa.Array.from_buffers(pa.string(), len(texts.offsets) - 1, buffers)


@dataclass(frozen=True, slots=True)
class Cut:
    """The events of one group that go to one partition in one envelope, and whose they are."""

    partition: int
    data: bytes
    owners: Sequence[tuple[int, int]]
    """(request, how many of its events)"""


def cut(columns: Columns, partition_count: int) -> Iterator[Cut]:
    """A group's envelopes: each of one partition, its good events in the group's order, none too large for Kafka."""
    parts = partitions(*words(columns.content_id[columns.good]), partition_count)
    order = np.argsort(parts, kind="stable")
    rows = columns.good[order]
    owner = columns.owner[rows]
    events = to_arrow(columns).take(_plain(pa.int64(), len(rows), rows))
    ends = np.concatenate([[0], np.cumsum(_sizes(columns)[rows])])
    starts = np.searchsorted(parts[order], np.arange(partition_count + 1)).tolist()
    for partition, (start, end) in enumerate(pairwise(starts)):
        for first, last in _ranges(start, end, ends):
            data = envelope.encode(events.slice(first, last - first))
            held = np.bincount(owner[first:last])
            owners = np.flatnonzero(held)
            yield Cut(partition, data, list(zip(owners.tolist(), held[owners].tolist(), strict=True)))


def _sizes(columns: Columns) -> npt.NDArray[np.int64]:
    """The bytes of each event, more or less."""
    return columns.actor.lengths() + columns.attributes.lengths() + np.int64(FIXED_BYTES)


def _ranges(start: int, end: int, ends: npt.NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Rows from `start` to `end`, halved until each part is small enough; `ends` has the bytes before each row."""
    count = end - start
    if count <= MAX_ENVELOPE_EVENTS and (count <= 1 or ends[end] - ends[start] <= MAX_ENVELOPE_BYTES):
        if count:
            yield start, end
        return
    half = start + count // 2
    yield from _ranges(start, half, ends)
    yield from _ranges(half, end, ends)
