"""A table that goes to ClickHouse in its Native format is there as it was."""

from uuid import UUID, uuid4

import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.sinks import native

TEXTS = st.text(max_size=300) | st.sampled_from(["", "a" * 127, "a" * 128, "ü" * 9_000])
ROWS = st.tuples(
    *(st.binary(min_size=16, max_size=16), TEXTS, TEXTS, st.booleans(), st.integers(0, 2**64 - 1)),
    *(st.integers(0, 2**32 - 1), st.integers(0, 2**16 - 1), st.integers(0, 255), st.integers(0, 2**42)),
)
NAMES = ("u", "text", "word", "robot", "large", "medium", "small", "tiny", "at")
TYPES = (
    *(pa.binary(16), pa.string(), pa.dictionary(pa.int32(), pa.string()), pa.bool_(), pa.uint64()),
    *(pa.uint32(), pa.uint16(), pa.uint8(), pa.timestamp("ms", "UTC")),
)
SHAPE = (
    "u UUID, text String, word LowCardinality(String), robot Bool, large UInt64, medium UInt32, small UInt16,"
    " tiny UInt8, at DateTime64(3, 'UTC'), place UInt64"
)


def sent_and_read(client: Client, table: pa.Table) -> pa.Table:
    name = f"native_{uuid4().hex}"
    client.command(f"CREATE TABLE {name} ({SHAPE}) ENGINE = Memory")
    table = table.append_column("place", pa.array(range(len(table)), pa.uint64()))
    native.insert(client, name, table)
    found = client.query_arrow(f"SELECT * FROM {name} ORDER BY place", use_strings=True)
    client.command(f"DROP TABLE {name}")
    return found.drop_columns(["place"])


def table_of(rows: list[tuple[object, ...]]) -> pa.Table:
    columns = zip(*rows, strict=True)
    arrays = [pa.array(values, type_) for values, type_ in zip(columns, TYPES, strict=True)]
    return pa.table(dict(zip(NAMES, arrays, strict=True)))


def plain(table: pa.Table) -> list[dict[str, object]]:
    return [row | {"u": row["u"] if isinstance(row["u"], UUID) else UUID(bytes=row["u"])} for row in table.to_pylist()]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROWS, min_size=1, max_size=40), cut=st.integers(0, 39))
def test_any_table_is_read_as_it_was_written_and_any_slice_of_it(
    clickhouse: Client, rows: list[tuple[object, ...]], cut: int
) -> None:
    table = table_of(rows)
    assert plain(sent_and_read(clickhouse, table)) == plain(table)
    part = table.slice(min(cut, len(rows) - 1))
    assert plain(sent_and_read(clickhouse, part)) == plain(part)
    both = pa.concat_tables([part, table])
    assert plain(sent_and_read(clickhouse, both)) == plain(both)


@pytest.mark.parametrize("words", [255, 256, 257, 65_536, 65_537])
def test_a_column_may_have_as_many_words_as_it_likes(clickhouse: Client, words: int) -> None:
    row = (b"\1" * 16, "t", None, True, 1, 2, 3, 4, 5)
    table = table_of([(*row[:2], f"w{n}", *row[3:]) for n in range(words)])
    assert sent_and_read(clickhouse, table)["word"].to_pylist() == [f"w{n}" for n in range(words)]


@pytest.mark.parametrize("column", [pa.array([1, None], pa.uint64()), pa.array([1.5, 2.5]), pa.array([b"a", b"b"])])
def test_what_has_no_place_in_it_is_named(column: pa.Array) -> None:
    with pytest.raises(ValueError, match="figure"):
        native.block(pa.table({"figure": column}))
