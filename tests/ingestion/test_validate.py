"""Whole columns are judged as each event by itself would be."""

from collections.abc import Set
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.columns import to_arrow
from ingestion.parse import parse
from ingestion.uploads import SnapshotItem
from ingestion.validate import Sent, validate
from wire.events import KINDS, PLATFORM
from wire.ids import WINDOW_FUTURE_MS, WINDOW_PAST_MS, id_at, time_ms

NOW_MS = 1_800_000_000_000
NOW = datetime.fromtimestamp(NOW_MS / 1000, UTC)
CONTENT = "6fe2f1a9-0c53-4a08-9d2b-0d9a3e3f9c11"


def of_request(
    events: list[dict[str, Any]],
    unknown: Set[str] = frozenset(),
    too_many: Set[str] = frozenset(),
    *,
    history: bool = False,
) -> Sent:
    return Sent(uuid4(), parse(msgspec.json.encode(events), lines=False), NOW_MS, history, unknown, too_many)


def event(**fields: Any) -> dict[str, Any]:
    return {"id": str(id_at(NOW_MS)), "content_id": CONTENT, "kind": "view", "platform": "web"} | fields


@pytest.mark.parametrize(
    ("at_ms", "history", "reason"),
    [
        (NOW_MS - WINDOW_PAST_MS, False, None),
        (NOW_MS - WINDOW_PAST_MS - 1, False, "id_too_old"),
        (NOW_MS - WINDOW_PAST_MS - 1, True, None),
        (0, True, None),
        (NOW_MS + WINDOW_FUTURE_MS, False, None),
        (NOW_MS + WINDOW_FUTURE_MS + 1, False, "id_in_future"),
        (NOW_MS + WINDOW_FUTURE_MS + 1, True, "id_in_future"),
    ],
)
def test_the_window_of_ids_ends_where_it_says(at_ms: int, history: bool, reason: str | None) -> None:
    others = of_request([event()], history=not history)
    columns, (_, refused, _) = validate([others, of_request([event(id=str(id_at(at_ms)))], history=history), others])
    assert [refusal.why.reason for refusal in refused] == ([reason] if reason else [])
    assert columns.good.tolist() == ([0, 2] if reason else [0, 1, 2])


ids = (
    st.integers(NOW_MS - WINDOW_PAST_MS - 2, NOW_MS + WINDOW_FUTURE_MS + 2).map(lambda at_ms: str(id_at(at_ms)))
    | st.integers(-2, 2).map(lambda off: str(id_at(NOW_MS - WINDOW_PAST_MS + off)))
    | st.uuids().map(str)
    | st.text(max_size=37)
)
events = st.fixed_dictionaries(
    {
        "id": ids,
        "content_id": st.uuids().map(str) | st.text(max_size=3),
        "kind": st.sampled_from(["view", "save"]),
        "platform": st.sampled_from(["web", "x", "Web", "a b", ""]),
    },
    optional={
        "actor": st.none() | st.text(max_size=140),
        "value": st.none() | st.floats(-1, 2e9, allow_nan=False) | st.integers(-1, 3),
        "attributes": st.none() | st.dictionaries(st.text(max_size=3), st.integers(), max_size=2) | st.integers(),
        "robot": st.none() | st.booleans(),
    },
)


def is_good(sent: dict[str, Any]) -> bool:
    """The rules once more, one event at a time."""
    try:
        id_ = UUID(sent["id"])
        if str(UUID(sent["content_id"])) != sent["content_id"].lower() or str(id_) != sent["id"].lower():
            return False
    except ValueError:
        return False
    actor, value, attributes = sent.get("actor") or "", sent.get("value"), sent.get("attributes")
    return (
        id_.version == 7
        and id_.variant == "specified in RFC 4122"
        and NOW_MS - WINDOW_PAST_MS <= time_ms(id_) <= NOW_MS + WINDOW_FUTURE_MS
        and sent["platform"] in {"web", "x"}
        and len(actor.encode()) <= 128
        and "\0" not in actor
        and (value is None or 0 <= value <= 1_000_000_000)
        and (attributes is None or isinstance(attributes, dict))
    )


@given(st.lists(st.lists(events, max_size=12), min_size=1, max_size=4), st.data())
def test_each_event_is_judged_by_itself_whatever_its_neighbours(
    groups: list[list[dict[str, Any]]], data: st.DataObject
) -> None:
    unknown = [data.draw(st.sets(st.sampled_from([e["content_id"] for e in sent] or [""]))) for sent in groups]
    too_many = [data.draw(st.sets(st.sampled_from(["web", "x"]), max_size=1)) for _ in groups]
    many = [of_request(*of) for of in zip(groups, unknown, too_many, strict=True)]
    columns, refused = validate(many)
    rows = to_arrow(columns).take(pa.array(columns.good)).to_pylist()
    expected = [
        (of, place, one)
        for of, sent in enumerate(groups)
        for place, one in enumerate(sent)
        if is_good(one) and one["content_id"] not in unknown[of] and one["platform"] not in too_many[of]
    ]
    assert [(of, each.place) for of, some in enumerate(refused) for each in sorted(some)] == [
        (of, place)
        for of, sent in enumerate(groups)
        for place in range(len(sent))
        if (of, place) not in {(good_of, good) for good_of, good, _ in expected}
    ]
    assert [msgspec.json.decode(each.raw)["id"] for some in refused for each in some] == [
        groups[of][each.place]["id"] for of, some in enumerate(refused) for each in some
    ]
    assert [(r["organization_id"], r["id"], r["content_id"]) for r in rows] == [
        (many[of].organization_id.bytes, UUID(one["id"]).bytes, UUID(one["content_id"]).bytes)
        for of, _, one in expected
    ]
    assert [(r["kind"], r["platform"], r["robot"], r["value"], r["actor"]) for r in rows] == [
        (
            KINDS.index(one["kind"]),
            one["platform"],
            bool(one.get("robot")),
            round((one.get("value") or 0) * 1000),
            one.get("actor") or "",
        )
        for _, _, one in expected
    ]
    texts = [one.get("attributes") for _, _, one in expected]
    assert [msgspec.json.decode(r["attributes"]) if r["attributes"] else None for r in rows] == texts


@pytest.mark.parametrize("after", ["\n", "\n\n", " "])
def test_a_platform_ends_where_it_ends(after: str) -> None:
    assert PLATFORM.match("web")
    assert not PLATFORM.match(f"web{after}")
    _, (refused,) = validate([of_request([event(platform=f"web{after}")])])
    assert [refusal.why.reason for refusal in refused] == ["invalid_platform"]
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(
            {"content_id": CONTENT, "platform": f"web{after}", "kind": "view", "count": 1, "captured_at": NOW},
            SnapshotItem,
        )
