import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.clickhouse_http.errors import ClickHouseError
from stack.clickhouse_http.statement import check, scan

BLANKS = st.sampled_from([b"", b" ", b"\n\t", b"-- FORMAT CSV\n", b"/* INSERT */", b" /* 'x */ "])
VALUES = st.sampled_from([b"'FORMAT CSV'", b"'it''s'", rb"'a\'b'", b"1", b"`FORMAT`", b"(SELECT 1 FORMAT)"])


@given(
    BLANKS, VALUES, BLANKS, st.sampled_from(["Native", "JSONEachRow"]), st.sampled_from([b"", b";", b" SETTINGS a = 1"])
)
def test_a_format_is_found_wherever_it_stands(one: bytes, value: bytes, two: bytes, name: str, end: bytes) -> None:
    text = one + b"SELECT " + value + b" " + two + b" FORMAT " + name.encode() + end
    statement = scan(text)
    assert statement is not None
    assert (statement.word, statement.format) == (b"SELECT", name)


@given(BLANKS, VALUES)
def test_what_only_looks_like_a_format_is_none(one: bytes, value: bytes) -> None:
    for text in (b"SELECT " + value + one, b"SELECT format FROM t", b"SELECT format('{}', 1)", b"SELECT 1 AS format"):
        statement = scan(text)
        assert statement is not None
        assert statement.format is None


@given(BLANKS, st.binary(max_size=200))
def test_an_inserts_data_begin_right_after_its_format(blank: bytes, data: bytes) -> None:
    head = b"INSERT INTO t (`a(`, b) " + blank + b"FORMAT Native\n"
    statement = scan(head + data)
    assert statement is not None
    assert (statement.format, statement.data_at) == ("Native", len(head))
    assert head[: statement.sql_end].rstrip().endswith((b")", b"/", b"\n", b"CSV"))


@given(st.binary(max_size=300))
def test_any_bytes_are_a_statement_or_none(text: bytes) -> None:
    statement = scan(text)
    assert statement is None or statement.word
    assert scan(b"SELECT 1 " + text) is not None


@pytest.mark.parametrize("text", [b"", b"  \n", b"-- only a comment", b"/* and\nanother */"])
def test_blanks_are_no_statement(text: bytes) -> None:
    assert scan(text) is None


@pytest.mark.parametrize(
    ("text", "readonly", "refused"),
    [
        (b"CREATE TABLE a (b Int8) ENGINE = Kafka('x')", False, True),
        (b"create table a (b Int8) engine=`RabbitMQ`", False, True),
        (b"CREATE TABLE a (b Int8) ENGINE\n=\n-- x\nNATS", False, True),
        (b"CREATE TABLE kafka (engine String) ENGINE = MergeTree ORDER BY engine", False, False),
        (b"SELECT * FROM file('/etc/passwd')", False, False),
        (b"SELECT * FROM file('/etc/passwd')", True, True),
        (b"SELECT * FROM `file` ('/etc/passwd')", True, True),
        (b"SELECT file, url FROM t WHERE url = 'file(1)'", True, False),
    ],
)
def test_what_must_not_reach_the_engine_does_not(text: bytes, readonly: bool, refused: bool) -> None:
    statement = scan(text)
    assert statement is not None
    if refused:
        with pytest.raises(ClickHouseError):
            check(text, statement, readonly=readonly)
    else:
        check(text, statement, readonly=readonly)
