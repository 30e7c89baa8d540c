"""Envelopes -> columns: everything the counting needs of some messages, at once, and the ledger's rows."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from streams import uuids
from streams.buckets import Batch, Counted
from streams.index import Rows, Words
from streams.messages import Message
from wire import envelope
from wire.countable import wrong
from wire.errors import Poison
from wire.events import KINDS

MOST_PLATFORMS: Final = 50_000
"""Senders may make up as many as they like, and every insert brings all the names that are known."""
_KINDS: Final = pa.array(KINDS, pa.string())
_MINUTES: Final = 1024
"""How many minutes the rows' order tells apart."""
_MINUTE_BITS: Final = np.uint64(10)
_WORD_BITS: Final = np.uint64(64)
_VARIANT: Final = np.uint64(2)
"""Bits at the top of an id's low word that are the same in all."""


@dataclass
class Platforms:
    """Platform names <-> small codes."""

    names: list[str] = field(default_factory=list)
    most: int = MOST_PLATFORMS
    _codes: dict[str, int] = field(default_factory=dict)

    def code(self, name: str) -> int:
        """The code of a platform, given out when it is first met."""
        if name not in self._codes:
            self._codes[name] = len(self.names)
            self.names.append(name)
        return self._codes[name]

    @property
    def is_full(self) -> bool:
        """So many were met that it is time to `forget`."""
        return len(self.names) > self.most

    def forget(self) -> None:
        """Begin anew; codes that were given out hold no more."""
        self.names.clear()
        self._codes.clear()

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


Refused = list[tuple[Message, Poison]]


def read(messages: list[Message], partitions: int, platforms: Platforms) -> tuple[Events, Refused]:
    """Envelopes -> their events as one, and those envelopes that cannot be counted, each with the reason.

    Refused is what does not decode, and what has an event that may not be counted (`wire.countable`).
    """
    whole, batches, refused = [], [], []
    for message in messages:
        try:
            batches.append(envelope.decode(message.value))
            whole.append(message)
        except Poison as poison:
            refused.append((message, poison))
    events = _together(whole, batches, platforms)
    if bad := _bad(events, whole, partitions):
        refused += [(whole[at], poison) for at, poison in bad.items()]
        kept = [at for at in range(len(whole)) if at not in bad]
        events = _together([whole[at] for at in kept], [batches[at] for at in kept], platforms)
    return events, refused


def _together(messages: list[Message], batches: list[pa.RecordBatch], platforms: Platforms) -> Events:
    sizes = [batch.num_rows for batch in batches]
    table = pa.Table.from_batches(batches, envelope.SCHEMA)
    platform = np.concatenate([np.empty(0, np.uint64), *map(platforms.codes, table["platform"].chunks)])
    columns = table.drop_columns(["platform"]).combine_chunks()
    return Events(
        Batch(
            uuids.words(columns["organization_id"], columns["content_id"]),
            uuids.words(columns["id"]),
            platform << np.uint64(8) | columns["kind"].to_numpy(),
            columns["robot"].to_numpy(),
            columns["value"].to_numpy(),
        ),
        columns,
        np.repeat(np.array([message.partition for message in messages], np.uint16), sizes),
        np.repeat(np.array([message.position for message in messages], np.uint64), sizes),
    )


def _bad(events: Events, messages: list[Message], partitions: int) -> dict[int, Poison]:
    """Places of the messages whose events are not what their topic promises."""
    batch = events.batch
    found = wrong(
        kind=batch.code & np.uint64(0xFF),
        id_=(batch.id[:, 0], batch.id[:, 1]),
        value=batch.value,
        content=(batch.content[:, 2], batch.content[:, 3]),
        partition=events.partition,
        partitions=partitions,
    )
    of = {(message.partition, message.position): at for at, message in enumerate(messages)} if found else {}
    places: dict[int, Poison] = {}
    for rows, poison in found:
        for row in np.flatnonzero(rows).tolist():
            places.setdefault(of[int(events.partition[row]), int(events.position[row])], poison)
    return places


def ledger_rows(events: Events, counted: Counted, platforms: Platforms) -> pa.Table:
    """The fresh events as rows of the ledger, in its own order: sorted rows cost ClickHouse less."""
    rows, batch = _in_ledger_order(events.batch, counted), events.batch
    taken = pa.array(rows)
    kept = events.columns.drop_columns(["attributes"]).take(taken)
    attributes = events.columns["attributes"].combine_chunks().dictionary_encode()
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
        "attributes": attributes.take(taken),
        "received_at": kept["received_at"],
        "partition": pa.array(events.partition[rows]),
        "precedence": pa.array(~events.position[rows]),
    }
    return pa.table(columns)


def _in_ledger_order(batch: Batch, counted: Counted) -> Rows:
    """The fresh events by organization, content, minute and id; ClickHouse compares the low words of UUIDs first.

    By one number: the content's rank, the minute, and as much of the id as has room. The bits that are cut off decide
    almost never, and then ClickHouse sorts once more: the order is about cost, not about what is stored.
    """
    rows = np.flatnonzero(counted.fresh)
    if len(rows) == 0:
        return rows
    rank = np.empty(int(counted.content_rows[-1]) + 1, np.uint64)
    rank[counted.content_rows] = _ranks(counted.contents)
    minute = batch.minute[rows]
    since = np.minimum(minute - minute.min(), _MINUTES - 1).astype(np.uint64)
    above = rank[counted.content[rows]] << _MINUTE_BITS | since
    bits = np.uint64(len(counted.contents).bit_length()) + _MINUTE_BITS
    key = above << _WORD_BITS - bits | batch.id[rows, 1] << _VARIANT >> bits
    by_key: Rows = rows[np.argsort(key)]
    return by_key


def _ranks(contents: Words) -> Rows:
    """The places of (m, 4) contents in the ledger's order."""
    organization, content = contents[:, 1], contents[:, 3]
    alone = (organization == organization[0]).all()
    rank = np.empty(len(contents), np.int64)
    rank[np.argsort(content) if alone else np.lexsort((content, organization))] = np.arange(len(contents))
    return rank
