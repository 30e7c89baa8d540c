"""Posts with platforms' totals: each row is one post or one refusal, and empty is not zero."""

import io
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.importers.posts import Columns, Post, parse, text_lines
from ingestion.importers.refused import Refused
from wire.events import Kind

POSTS = Path(__file__).parents[3] / "shared" / "data" / "news_posts.csv"
COLUMNS = Columns("id", ("name", "id"), "date", {Kind.SHARE: "shares", Kind.VIEW: "views"})
HEADER = "id,name,date,shares,views,more\n"


def entries(*rows: str) -> list[Post | Refused]:
    return list(parse([HEADER, *(f"{row}\n" for row in rows)], COLUMNS, "posts.csv"))


@pytest.mark.skipif(not POSTS.exists(), reason="the shared data are not beside this checkout")
def test_a_real_table_gives_its_sums() -> None:
    with POSTS.open("rb") as raw:
        found = list(parse(text_lines(raw), Columns(), "news_posts.csv"))
    posts = [entry for entry in found if isinstance(entry, Post)]
    assert len(posts) == len(found) == len({post.id for post in posts}) == 2282
    sums: Counter[Kind] = Counter()
    known: Counter[Kind] = Counter()
    for post in posts:
        sums.update(post.counts)
        known.update(post.counts.keys())
    assert sums == {Kind.SHARE: 8_947_132, Kind.REACTION: 12_230_569, Kind.COMMENT: 1_176_713}
    assert known == {Kind.SHARE: 2212, Kind.REACTION: 2280, Kind.COMMENT: 2280}
    assert posts[0] == Post(
        "1035057923259100",
        "ABC News Politics · video · 1035057923259100",
        datetime(2016, 9, 19, tzinfo=UTC),
        {Kind.REACTION: 146, Kind.COMMENT: 15},
    )


def test_a_file_that_is_closed_before_its_end_leaves_no_complaint() -> None:
    raw = io.BytesIO(b"first\nsecond\n")
    lines = text_lines(raw)
    assert next(lines) == "first\n"
    raw.close()
    lines.close()


def test_empty_is_not_zero() -> None:
    (post,) = entries("1,A name,,0,,x")
    assert post == Post("1", "A name · 1", None, {Kind.SHARE: 0})


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (",A,2016-09-19,1,1,", "missing_id"),
        ("  ,A,2016-09-19,1,1,", "missing_id"),
        ("1,A,2016-09-19,1,1", "malformed_row"),
        ("1,A,2016-09-19,1,1,x,y", "malformed_row"),
        ("1,A,19.9.2016,1,1,", "invalid_date"),
        ("1,A,2016-09-19,-1,1,", "invalid_count"),
        ("1,A,2016-09-19,1.5,1,", "invalid_count"),
        ("1,A,2016-09-19,1e3,1,", "invalid_count"),
        ("1,A,2016-09-19,٣,1,", "invalid_count"),
        ("1,A,2016-09-19," + "9" * 5000 + ",1,", "invalid_count"),
        ("1,A\0,2016-09-19,1,1,", "not_utf8"),
        ("1,A\udcff,2016-09-19,1,1,", "not_utf8"),
        ("1," + "A" * 200_000 + ",2016-09-19,1,1,", "malformed_row"),
        ("0,A,2016-09-19,1,1,", "duplicate_id"),
    ],
)
def test_a_bad_row_is_refused_and_fails_no_other(row: str, reason: str) -> None:
    before, bad, after = entries("0,A,2016-09-19,1,1,", row, "2,A,2016-09-19,1,1,")
    assert isinstance(before, Post)
    assert isinstance(after, Post)
    assert isinstance(bad, Refused)
    assert (bad.reason, bad.place) == (reason, 2)
    bad.told()["sample"].encode()


def test_times_with_and_without_a_zone_are_read() -> None:
    found = entries("1,A,2016-09-19T08:00:00+02:00,,,", "2,A,2016-09-19T08:00,,,")
    assert [post.published_at for post in found if isinstance(post, Post)] == [
        datetime(2016, 9, 19, 8, tzinfo=timezone(timedelta(hours=2))),
        datetime(2016, 9, 19, 8, tzinfo=UTC),
    ]


def test_a_missing_column_is_named() -> None:
    with pytest.raises(ValueError, match="no column views; its columns are id, name, date, shares"):
        list(parse(["id,name,date,shares\n"], COLUMNS, "posts.csv"))


def test_the_same_refusal_again_has_the_same_id_and_equal_rows_differ() -> None:
    first, second = entries("bad", "bad")
    assert isinstance(first, Refused)
    assert isinstance(second, Refused)
    assert first.id != second.id
    assert [first, second] == entries("bad", "bad")


@given(st.binary(max_size=400))
def test_any_bytes_after_the_header_give_posts_and_refusals(data: bytes) -> None:
    for entry in parse(text_lines(io.BytesIO(HEADER.encode() + data)), COLUMNS, "posts.csv"):
        if isinstance(entry, Refused):
            entry.told()["sample"].encode()
        else:
            entry.title.encode()
