"""Many UUIDs at once are read exactly as one at a time."""

import string
from uuid import UUID, uuid4

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion import uuids
from wire.ids import is_v7, new_id, words


def strictly(text: str) -> bytes | None:
    """The standard library's reading, if the text is the UUID's own 36 characters in either case."""
    try:
        parsed = UUID(text)
    except ValueError:
        return None
    return parsed.bytes if str(parsed) == text.lower() and text.isascii() else None


good = st.uuids().map(str) | st.uuids().map(lambda id_: str(id_).upper())
near = st.tuples(st.uuids(), st.integers(0, 35), st.sampled_from(string.printable + "é\0\ud7ff٣")).map(
    lambda made: str(made[0])[: made[1]] + made[2] + str(made[0])[made[1] + 1 :]
)
other = st.uuids().flatmap(
    lambda id_: st.sampled_from(
        [id_.hex, f"{{{id_}}}", id_.urn, f" {id_}", f"{id_}\n", str(id_)[:-1], f"{id_}0", f"0x{id_.hex}", f"-{id_}"]
    )
)
texts = st.lists(good | near | other | st.text(max_size=40), max_size=20)


@given(texts)
def test_it_reads_what_the_standard_library_reads_and_no_more(texts: list[str]) -> None:
    expected = [strictly(text) for text in texts]
    rows, bad = uuids.parse(texts)
    assert bad == [place for place, value in enumerate(expected) if value is None]
    assert [bytes(row) for row in rows] == [value or bytes(16) for value in expected]


@pytest.mark.parametrize(
    "pair",
    [
        (str(uuid4())[:-1], str(uuid4()) + "0"),
        (str(uuid4()) + "0", str(uuid4())[:-1]),
        (" " + str(uuid4())[1:], str(uuid4())),
        (str(uuid4()).replace("-", "", 1) + "-", str(uuid4())),
        (str(uuid4()).replace("-", "0"), str(uuid4())[:8] + "----" + str(uuid4())[12:]),
        (f"{uuid4().hex[:8]}-{uuid4().hex[:4]}-{uuid4().hex[:4]}-{uuid4().hex[:4]}-{uuid4().hex[:10]}  ", str(uuid4())),
    ],
)
def test_two_wrongs_that_make_up_for_each_other_are_both_wrong(pair: tuple[str, str]) -> None:
    _, bad = uuids.parse(pair)
    assert bad == [place for place, text in enumerate(pair) if strictly(text) is None] != []


@given(st.lists(st.uuids() | st.builds(new_id), min_size=1))
def test_version_7_is_told_from_all_others(ids: list[UUID]) -> None:
    rows = np.frombuffer(b"".join(id_.bytes for id_ in ids), np.uint8).reshape(-1, 16)
    expected = [id_.version == 7 and id_.variant == "specified in RFC 4122" for id_ in ids]
    assert is_v7(*words(rows)).tolist() == expected
