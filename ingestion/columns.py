"""Validated events, column by column, on their way into envelopes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final
from uuid import UUID

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ingestion.uuids import Bytes
from wire import envelope
from wire.accounts import Counts, window
from wire.ids import partitions, words

MAX_ENVELOPE_EVENTS: Final = 5_000
MAX_ENVELOPE_BYTES: Final = 4_000_000
"""Before compression; well below what Kafka takes, even where nothing compresses."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Events of one organization, accepted at one time; every column is as long as the others."""

    organization_id: UUID
    content_id: Bytes
    id: Bytes
    kind: bytes
    platform: Sequence[str]
    robot: bytes
    value: npt.NDArray[np.uint64]
    actor: Sequence[str]
    attributes: Sequence[bytes]
    received_at_ms: int

    def __len__(self) -> int:
        return len(self.kind)


def to_arrow(many: Sequence[Columns]) -> pa.RecordBatch:
    """Columns of several requests, one after the other, as one batch of the envelope's schema."""
    counts = list(map(len, many))
    arrays = [
        _plain(envelope.UUID_BYTES, b"".join(each.organization_id.bytes * len(each) for each in many), counts),
        _plain(envelope.UUID_BYTES, np.concatenate([each.content_id for each in many]), counts),
        _plain(envelope.UUID_BYTES, np.concatenate([each.id for each in many]), counts),
        _plain(pa.uint8(), b"".join(each.kind for each in many), counts),
        _coded(list(chain.from_iterable(each.platform for each in many))),
        _plain(pa.bool_(), _bits(b"".join(each.robot for each in many)), counts),
        _plain(pa.uint64(), np.concatenate([each.value for each in many]), counts),
        _strings(list(chain.from_iterable(each.actor for each in many))),
        _texts(list(chain.from_iterable(each.attributes for each in many))),
        _plain(pa.timestamp("ms", "UTC"), np.repeat([each.received_at_ms for each in many], counts), counts),
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=envelope.SCHEMA)


# Arrays are made from their buffers: pa.array() would be shorter, and loads pandas, which takes a second and 40 MB.


def _plain(kind: pa.DataType, data: bytes | npt.NDArray[Any], counts: Sequence[int]) -> pa.Array:
    return pa.Array.from_buffers(kind, sum(counts), [None, pa.py_buffer(data)])


def _bits(flags: bytes) -> npt.NDArray[np.uint8]:
    return np.packbits(np.frombuffer(flags, np.uint8), bitorder="little")


def _strings(texts: Sequence[str]) -> pa.Array:
    joined = "".join(texts)
    if joined.isascii():
        return _cut_at(np.fromiter(map(len, texts), np.int32, len(texts)), joined.encode())
    return _texts([text.encode() for text in texts])


def _texts(encoded: Sequence[bytes]) -> pa.Array:
    return _cut_at(np.fromiter(map(len, encoded), np.int32, len(encoded)), b"".join(encoded))


def _cut_at(lengths: npt.NDArray[np.int32], data: bytes) -> pa.Array:
    offsets = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    return pa.Array.from_buffers(pa.string(), len(lengths), [None, pa.py_buffer(offsets), pa.py_buffer(data)])


def _coded(names: Sequence[str]) -> pa.Array:
    codes = {name: code for code, name in enumerate(dict.fromkeys(names))}
    indices = np.fromiter(map(codes.__getitem__, names), np.int16, len(names))
    return pa.DictionaryArray.from_arrays(_plain(pa.int16(), indices, [len(names)]), _strings(list(codes)))


@dataclass(frozen=True, slots=True)
class Cut:
    """The events of one group that go to one partition in one envelope, and the rows of the group that they were."""

    partition: int
    data: bytes
    events: Counts
    """how many of whom"""
    rows: npt.NDArray[np.intp]


def cut(many: Sequence[Columns], partition_count: int) -> Iterator[Cut]:
    """A group's envelopes: each of one partition, its events in the group's order, none too large for Kafka."""
    parts = partitions(*words(np.concatenate([columns.content_id for columns in many])), partition_count)
    order = np.argsort(parts, kind="stable")
    by_partition = to_arrow(many).take(_plain(pa.int64(), order, [len(order)]))
    starts = np.searchsorted(parts[order], np.arange(partition_count + 1))
    owners = [(columns.organization_id, window(columns.received_at_ms)) for columns in many]
    places = {owner: place for place, owner in enumerate(dict.fromkeys(owners))}
    whose = np.repeat([places[owner] for owner in owners], list(map(len, many)))
    for partition in range(partition_count):
        start, end = int(starts[partition]), int(starts[partition + 1])
        for at, piece in _pieces(by_partition.slice(start, end - start)):
            rows = order[start + at : start + at + piece.num_rows]
            held = zip(places, np.bincount(whose[rows], minlength=len(places)).tolist(), strict=True)
            yield Cut(partition, envelope.encode(piece), {owner: count for owner, count in held if count}, rows)


def _pieces(batch: pa.RecordBatch) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Consecutive pieces of a batch with the row each starts at, halved until they are small enough."""
    if not batch.num_rows:
        return
    if batch.num_rows <= MAX_ENVELOPE_EVENTS and (batch.num_rows == 1 or batch.nbytes <= MAX_ENVELOPE_BYTES):
        yield 0, batch
        return
    half = batch.num_rows // 2
    yield from _pieces(batch.slice(0, half))
    for at, piece in _pieces(batch.slice(half)):
        yield half + at, piece
