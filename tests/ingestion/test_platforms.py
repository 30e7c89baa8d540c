"""An organization may name many platforms, and not as many as it likes; what it named already is always let in."""

from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from ingestion import platforms
from ingestion.platforms import DAY_MS, MOST, Platforms
from wire.topics import REJECTIONS

NOW_MS = 1_800_000_000_000


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 3_000), st.integers(1, 900)), max_size=12))
def test_names_are_refused_only_where_so_many_others_are_known_and_only_those_that_are_new(
    requests: list[tuple[int, int, int]],
) -> None:
    held, known = Platforms(), {0: set(), 1: set()}
    for organization, first, count in requests:
        names = {f"p{n}" for n in range(first, first + count)}
        refused = held.too_many(UUID(int=organization), names | {"No Name"}, NOW_MS)
        before = set(known[organization])
        known[organization] |= names - refused
        assert refused <= names - before
        assert len(known[organization]) == min(MOST, len(before | names))


def test_a_day_later_or_when_too_many_are_held_all_are_forgotten(monkeypatch: Any) -> None:
    monkeypatch.setattr(platforms, "MAX_NAMES", 3 * MOST)
    held, many, others = Platforms(), {f"p{n}" for n in range(MOST)}, {f"q{n}" for n in range(MOST)}
    assert held.too_many(UUID(int=0), many, NOW_MS) == set()
    assert held.too_many(UUID(int=0), others, NOW_MS + DAY_MS - 1) == others
    assert held.too_many(UUID(int=0), others, NOW_MS + DAY_MS) == set()
    for n in range(20):
        held.too_many(UUID(int=n), many, NOW_MS + DAY_MS)
        assert sum(map(len, held._known.values())) <= 4 * MOST


async def test_a_name_too_many_is_refused_and_kept_and_fails_no_other(
    collecting: Any, organization: Any, new_organization: Any, log: Any
) -> None:
    (content,) = await organization.content()
    many = [organization.event(content, platform=f"made_up_{n:0>4}") for n in range(MOST + 2)]
    answer = (await collecting.events(many, organization.key)).json()
    assert answer["accepted"] == MOST
    assert [(one["index"], one["reason"]) for one in answer["rejected"]] == [
        (n, "too_many_platforms") for n in (MOST, MOST + 1)
    ]
    assert "attributes" in answer["rejected"][0]["detail"]
    again = [organization.event(content, platform=name) for name in ("one_more", "made_up_0001")]
    assert (await collecting.events(again, organization.key)).json()["accepted"] == 1

    other = await new_organization()
    (theirs,) = await other.content()
    assert (await collecting.events([other.event(theirs, platform="one_more")], other.key)).json()["accepted"] == 1

    total = {"content_id": content, "kind": "share", "count": 1, "captured_at": "2026-03-01T00:00:00Z"}
    totals = [total | {"platform": name} for name in ("one_more", "made_up_0001")]
    told = (await collecting.post("/v1/snapshots", totals, organization.history_key)).json()
    assert (told["accepted"], [(one["index"], one["reason"]) for one in told["rejected"]]) == (
        1,
        [(0, "too_many_platforms")],
    )
    assert len(await log.events(organization.id, MOST + 1)) == MOST + 1
    kept = await log.items(REJECTIONS, organization.id, 4)
    assert [one["reason"] for one in kept] == ["too_many_platforms"] * 4
