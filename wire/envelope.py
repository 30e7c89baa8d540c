"""The envelope: many engagement events as one Kafka message, columns in Arrow IPC, lz4.

One envelope holds events of one partition only, in the order in which they were accepted. Its message's headers say who
sent it and how many events of whom and when it holds, so that they can be accounted for even where the envelope does
not decode.

| header | value |
|---|---|
| `collector` | 16 bytes: a UUIDv7 that a collector gives itself when it starts |
| `events` | JSON object: organization id -> window (as in `wire/accounts.py`) -> how many events are in this envelope |
"""

from collections.abc import Sequence
from typing import Annotated, Final
from uuid import UUID

import msgspec
import pyarrow as pa

from wire.accounts import LAST_S, WINDOW_S, Counts
from wire.errors import Poison
from wire.events import PLATFORM, PLATFORM_PATTERN

Headers = Sequence[tuple[str, bytes]]

COLLECTOR: Final = "collector"
EVENTS: Final = "events"

UUID_BYTES: Final = pa.binary(16)

SCHEMA: Final = pa.schema(
    [
        pa.field("organization_id", UUID_BYTES, nullable=False),
        pa.field("content_id", UUID_BYTES, nullable=False),
        pa.field("id", UUID_BYTES, nullable=False),
        pa.field("kind", pa.uint8(), nullable=False),
        pa.field("platform", pa.dictionary(pa.int16(), pa.string()), nullable=False),
        pa.field("robot", pa.bool_(), nullable=False),
        pa.field("value", pa.uint64(), nullable=False),
        pa.field("actor", pa.string(), nullable=False),
        pa.field("attributes", pa.string(), nullable=False),
        pa.field("received_at", pa.timestamp("ms", "UTC"), nullable=False),
    ],
    metadata={"envelope": "1"},
)
"""`kind` is the place in `wire.events.KINDS`; `value` counts thousandths, 0 where none was given; `actor` and
`attributes` (JSON text) are empty where none were given."""

_HEAD: Final = SCHEMA.serialize().to_pybytes()
"""What an envelope begins with where our own Arrow wrote it; others may put the same schema in other bytes."""

_Window = Annotated[int, msgspec.Meta(ge=0, le=LAST_S, multiple_of=WINDOW_S)]
_counts = msgspec.json.Decoder(dict[UUID, dict[_Window, Annotated[int, msgspec.Meta(gt=0)]]])

_OPTIONS: Final = pa.ipc.IpcWriteOptions(compression="lz4", unify_dictionaries=True, use_threads=False)
_READ: Final = pa.ipc.IpcReadOptions(use_threads=False)
"""An envelope's columns are small: handing them to threads costs three times what it takes to pack or unpack them."""


def encode(events: pa.RecordBatch) -> bytes:
    """Events of SCHEMA -> the bytes of one envelope."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, SCHEMA, options=_OPTIONS) as writer:
        writer.write_batch(events)
    encoded: bytes = sink.getvalue().to_pybytes()
    return encoded


def decode(envelope: bytes) -> pa.RecordBatch:
    """The bytes of one envelope -> its events, exactly as encoded.

    Raises Poison("undecodable_envelope") for anything else: other bytes, another schema, a column that breaks its type
    or says nothing in some row, a platform that is none.
    """
    try:
        with pa.ipc.open_stream(envelope, options=_READ) as reader:
            if not (envelope.startswith(_HEAD) or reader.schema.equals(SCHEMA)):
                raise Poison("undecodable_envelope", f"its schema is {reader.schema.to_string()[:500]}")
            batches = list(reader)
        for batch in batches:
            batch.validate(full=True)
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise Poison("undecodable_envelope", str(error)[:500]) from error
    if len(batches) != 1:
        raise Poison("undecodable_envelope", f"it holds {len(batches)} batches, not 1")
    (events,) = batches
    _require_whole(events)
    return events


def _require_whole(events: pa.RecordBatch) -> None:
    """Arrow lets NULLs pass where the schema allows none."""
    if len(events.drop_null()) < len(events):
        nulls = {name: events[name].null_count for name in events.schema.names}
        most = max(nulls, key=lambda name: nulls[name])
        raise Poison("undecodable_envelope", f"{nulls[most]} of its events have no {most}")
    for platform in events["platform"].dictionary.to_pylist():
        if platform is None or not PLATFORM.match(platform):
            raise Poison("undecodable_envelope", f"its platform {platform!r:.100} is not like {PLATFORM_PATTERN}")


def headers(collector_id: UUID, events: Counts) -> Headers:
    """The headers of an envelope's message."""
    told: dict[UUID, dict[int, int]] = {}
    for (organization_id, window), count in events.items():
        told.setdefault(organization_id, {})[window] = count
    return [(COLLECTOR, collector_id.bytes), (EVENTS, msgspec.json.encode(told))]


def read_headers(headers: Headers) -> tuple[UUID, Counts]:
    """Headers of an envelope's message -> the collector, and how many events of whom it put in.

    Raises Poison("unreadable_headers") where they are not there, or are something else.
    """
    told = dict(headers)
    try:
        events = {
            (organization_id, window): count
            for organization_id, windows in _counts.decode(told[EVENTS]).items()
            for window, count in windows.items()
        }
        return UUID(bytes=told[COLLECTOR]), events
    except (KeyError, TypeError, ValueError, msgspec.DecodeError) as error:
        raise Poison("unreadable_headers", repr(error)[:500]) from error
