"""Envelopes -> columns: everything the counting needs of some messages, at once, and the ledger's rows."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from streams import uuids
from streams.buckets import Batch
from streams.index import Flags, Rows
from streams.messages import Message
from wire import envelope, ids
from wire.errors import Poison
from wire.events import KINDS

_KINDS: Final = pa.array(KINDS, pa.string())
_MINUTES: Final = 1024
"""How many minutes the rows' order tells apart."""
_ABOVE_IDS: Final = np.uint64(54)
_VARIANT: Final = np.uint64(2)
"""Bits at the top of an id's low word that are the same in all."""


@dataclass
class Platforms:
    """Platform names <-> small codes, for the life of a process."""

    names: list[str] = field(default_factory=list)
    _codes: dict[str, int] = field(default_factory=dict)

    def code(self, name: str) -> int:
        """The code of a platform, given out when it is first met."""
        if name not in self._codes:
            self._codes[name] = len(self.names)
            self.names.append(name)
        return self._codes[name]

    def codes(self, column: pa.DictionaryArray) -> npt.NDArray[np.uint64]:
        """An envelope's platform column -> codes."""
        of = np.array([self.code(str(name)) for name in column.dictionary.to_pylist()] or [0], np.uint64)
        codes: npt.NDArray[np.uint64] = of[column.indices.to_numpy()]
        return codes


@dataclass(frozen=True)
class Events:
    """The events of some envelopes of any partitions, in log order within each partition."""

    batch: Batch
    columns: pa.Table
    """the envelope's own columns, for the ledger"""
    partition: npt.NDArray[np.uint16]
    position: npt.NDArray[np.uint64]


def read(message: Message, partitions: int, platforms: Platforms) -> Events:
    """One envelope -> its events.

    Raises Poison where it does not decode, where a kind is unknown, or where a piece belongs to another partition.
    """
    events = envelope.decode(message.value)
    content = np.hstack((uuids.words(events["organization_id"]), uuids.words(events["content_id"])))
    kind = events["kind"].to_numpy()
    if len(kind) and kind.max() >= len(KINDS):
        raise Poison("unknown_kind", f"kind {kind.max()} is newer than this processor")
    if (ids.partitions(content[:, 2], content[:, 3], partitions) != message.partition).any():
        raise Poison("wrong_partition", "an envelope carries pieces of another partition")
    code = platforms.codes(events["platform"]) << np.uint64(8) | kind
    robot: Flags = events["robot"].to_numpy(zero_copy_only=False)
    return Events(
        Batch(content, uuids.words(events["id"]), code, robot, events["value"].to_numpy()),
        pa.Table.from_batches([events]).drop_columns(["platform"]),
        np.full(len(kind), message.partition, np.uint16),
        np.full(len(kind), message.position, np.uint64),
    )


def together(parts: list[Events]) -> Events:
    """Several envelopes' events as one."""
    if len(parts) == 1:
        return parts[0]
    batches = [part.batch for part in parts]
    return Events(
        Batch(
            np.concatenate([b.content for b in batches]),
            np.concatenate([b.id for b in batches]),
            np.concatenate([b.code for b in batches]),
            np.concatenate([b.robot for b in batches]),
            np.concatenate([b.value for b in batches]),
        ),
        pa.concat_tables([part.columns for part in parts]),
        np.concatenate([part.partition for part in parts]),
        np.concatenate([part.position for part in parts]),
    )


def ledger_rows(events: Events, fresh: Flags, platforms: Platforms) -> pa.Table:
    """The fresh events as rows of the ledger, in its own order: sorted rows cost ClickHouse less."""
    rows = _in_ledger_order(events.batch, np.flatnonzero(fresh))
    kept = events.columns.take(pa.array(rows))
    batch = events.batch
    names = pa.array(platforms.names, pa.string())
    columns = {
        "organization_id": kept["organization_id"],
        "content_id": kept["content_id"],
        "minute": pa.array((batch.minute[rows] * 60).astype(np.uint32)),
        "id": kept["id"],
        "kind": pa.DictionaryArray.from_arrays(kept["kind"].combine_chunks().cast(pa.int8()), _KINDS),
        "platform": pa.DictionaryArray.from_arrays((batch.code[rows] >> np.uint64(8)).astype(np.int32), names),
        "robot": kept["robot"],
        "value": kept["value"],
        "actor": kept["actor"],
        "attributes": kept["attributes"],
        "received_at": kept["received_at"],
        "partition": pa.array(events.partition[rows]),
        "position": pa.array(events.position[rows]),
    }
    return pa.table(columns)


def _in_ledger_order(batch: Batch, rows: Rows) -> Rows:
    """The rows by organization, content, minute and id; ClickHouse compares the low words of UUIDs first.

    Word by word: a key is the rank so far, and below it as much of the next word as has room. The bits that are cut off
    decide almost never, and then ClickHouse sorts once more: the order is about cost, not about what is stored.
    """
    if len(rows) == 0:
        return rows
    organization, content, minute = batch.content[rows, 1], batch.content[rows, 3], batch.minute[rows]
    since = np.minimum(minute - minute.min(), _MINUTES - 1).astype(np.uint64)
    words = [content, since << _ABOVE_IDS | batch.id[rows, 1] << _VARIANT >> (np.uint64(64) - _ABOVE_IDS)]
    if (organization != organization[0]).any():
        words.insert(0, organization)
    order, rank = np.arange(len(rows)), np.zeros(len(rows), np.uint64)
    for word in words:
        bits = int(rank[-1]).bit_length()
        key = rank << np.uint64(64 - bits) | word[order] >> np.uint64(bits) if bits else word[order]
        by_key = np.argsort(key)
        order, key = order[by_key], key[by_key]
        rank = np.cumsum(np.diff(key, prepend=key[:1]) != 0).astype(np.uint64)
    return rows[order]
