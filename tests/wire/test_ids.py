"""Ids carry their time, and a content's partition never changes."""

from datetime import UTC, datetime
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire import ids

times = st.integers(0, 2**48 - 1)


@given(times, st.lists(st.binary(max_size=20), max_size=4))
def test_an_id_made_from_a_source_is_a_uuid7_of_its_time_and_always_the_same(ms: int, source: list[bytes]) -> None:
    made = ids.id_at(ms, *source)
    assert made == ids.id_at(ms, *source)
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert ids.time_ms(made) == ms


def test_sources_that_only_read_the_same_when_joined_have_other_ids() -> None:
    assert ids.id_at(1, "ab", "c") != ids.id_at(1, "a", "bc")


@pytest.mark.parametrize("ms", [-1, 2**48])
def test_a_time_that_does_not_fit_is_refused(ms: int) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        ids.id_at(ms)


@given(st.lists(st.uuids(), min_size=1, max_size=20), st.sampled_from([1, 3, 12, 48]))
def test_the_partition_of_one_content_is_that_of_many(contents: list[UUID], count: int) -> None:
    raw = np.frombuffer(b"".join(content.bytes for content in contents), np.uint8).reshape(-1, 16)
    together = ids.partitions(*ids.words(raw), count)
    assert together.tolist() == [ids.partition(content, count) for content in contents]
    assert (together < count).all()


def test_partitions_are_what_they_were_when_the_first_topic_was_made() -> None:
    known = {"018f0000-0000-7000-8000-000000000001": 1, "f47ac10b-58cc-4372-a567-0e02b2c3d479": 2}
    found = {text: ids.partition(UUID(text), 12) for text in known}
    assert found == known


def test_contents_spread_evenly_over_partitions() -> None:
    random = np.random.default_rng(7).integers(0, 256, (120_000, 16), dtype=np.uint8)
    counts = np.bincount(ids.partitions(*ids.words(random), 12), minlength=12)
    assert counts.min() > 9_500
    assert counts.max() < 10_500


def test_a_new_id_is_of_now() -> None:
    age = datetime.now(UTC) - ids.time_of(ids.new_id())
    assert abs(age.total_seconds()) < 5
