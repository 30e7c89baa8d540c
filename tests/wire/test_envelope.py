"""An envelope gives back what was put in, and nothing else passes for one."""

from contextlib import suppress
from uuid import UUID

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire import envelope
from wire.accounts import LAST_S, WINDOW_S, Counts
from wire.errors import Poison

rows = st.fixed_dictionaries(
    {
        "organization_id": st.binary(min_size=16, max_size=16),
        "content_id": st.binary(min_size=16, max_size=16),
        "id": st.binary(min_size=16, max_size=16),
        "kind": st.integers(0, 255),
        "platform": st.sampled_from(["web", "x", "facebook"]),
        "robot": st.booleans(),
        "value": st.integers(0, 2**64 - 1),
        "actor": st.text(max_size=20),
        "attributes": st.text(max_size=20),
        "received_at": st.datetimes(timezones=st.none()).map(lambda at: at.replace(microsecond=0)),
    }
)


def batch(of: list[dict[str, object]]) -> pa.RecordBatch:
    columns = []
    for field in envelope.SCHEMA:
        values = [row[field.name] for row in of]
        if pa.types.is_dictionary(field.type):
            columns.append(pa.array(values, pa.string()).dictionary_encode().cast(field.type))
        else:
            columns.append(pa.array(values, field.type))
    return pa.record_batch(columns, schema=envelope.SCHEMA)


@given(st.lists(rows, max_size=20))
def test_what_was_put_in_comes_out(events: list[dict[str, object]]) -> None:
    made = batch(events)
    assert envelope.decode(envelope.encode(made)).to_pylist() == made.to_pylist()


@given(st.binary(max_size=300))
def test_other_bytes_are_poison(noise: bytes) -> None:
    with pytest.raises(Poison, match="undecodable_envelope"):
        envelope.decode(noise)


@given(st.lists(rows, min_size=1, max_size=5), st.data())
def test_a_damaged_envelope_is_poison_or_still_has_the_envelopes_shape(
    events: list[dict[str, object]], data: st.DataObject
) -> None:
    good = bytearray(envelope.encode(batch(events)))
    at = data.draw(st.integers(0, len(good) - 1))
    good[at] ^= data.draw(st.integers(1, 255))
    with suppress(Poison):
        assert envelope.decode(bytes(good)).schema.equals(envelope.SCHEMA)


def test_another_schema_is_poison() -> None:
    sink = pa.BufferOutputStream()
    other = pa.record_batch({"id": pa.array([1])})
    with pa.ipc.new_stream(sink, other.schema) as writer:
        writer.write_batch(other)
    with pytest.raises(Poison, match="its schema is"):
        envelope.decode(sink.getvalue().to_pybytes())


windows = st.integers(0, LAST_S // WINDOW_S).map(lambda n: n * WINDOW_S)


@given(st.uuids(version=4), st.dictionaries(st.tuples(st.uuids(), windows), st.integers(1, 2**40), max_size=5))
def test_headers_say_who_sent_it_and_how_many_of_whom(collector_id: UUID, events: Counts) -> None:
    assert envelope.read_headers(envelope.headers(collector_id, events)) == (collector_id, events)


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("collector", bytes(16))],
        [("events", b"{}")],
        [("collector", bytes(15)), ("events", b"{}")],
        [("collector", None), ("events", b"{}")],
        [("collector", bytes(16)), ("events", None)],
        [("collector", bytes(16)), ("events", b"\xff")],
        [("collector", bytes(16)), ("events", b'{"one":1}')],
        [("collector", bytes(16)), ("events", b'{"6fe2f1a9-0c53-4a08-9d2b-0d9a3e3f9c11":7}')],
        [("collector", bytes(16)), ("events", b'{"6fe2f1a9-0c53-4a08-9d2b-0d9a3e3f9c11":{"300":0}}')],
        [("collector", bytes(16)), ("events", b'{"6fe2f1a9-0c53-4a08-9d2b-0d9a3e3f9c11":{"301":1}}')],
    ],
)
def test_other_headers_are_poison(headers: list[tuple[str, bytes]]) -> None:
    with pytest.raises(Poison, match="unreadable_headers"):
        envelope.read_headers(headers)
