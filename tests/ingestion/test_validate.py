"""Whole columns are judged as each event by itself would be."""

from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.parse import Batch, parse
from ingestion.validate import validate
from wire.ids import WINDOW_FUTURE_MS, WINDOW_PAST_MS, id_at, time_ms

NOW_MS = 1_800_000_000_000
CONTENT = "6fe2f1a9-0c53-4a08-9d2b-0d9a3e3f9c11"


def judged(events: list[dict[str, Any]], *, history: bool = False) -> tuple[Batch, Any]:
    batch = parse(msgspec.json.encode(events), lines=False)
    return validate(batch, organization_id=uuid4(), now_ms=NOW_MS, history=history)


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
    batch, columns = judged([event(id=str(id_at(at_ms)))], history=history)
    assert [refusal.why.reason for refusal in batch.refused] == ([reason] if reason else [])
    assert len(columns) == (0 if reason else 1)


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


@given(st.lists(events, max_size=12))
def test_each_event_is_judged_by_itself_whatever_its_neighbours(sent: list[dict[str, Any]]) -> None:
    batch, columns = judged(sent)
    good = [place for place, one in enumerate(sent) if is_good(one)]
    assert list(batch.places) == good
    assert sorted(refusal.place for refusal in batch.refused) == [n for n in range(len(sent)) if n not in good]
    assert [UUID(bytes=bytes(row)) for row in columns.id] == [UUID(sent[place]["id"]) for place in good]
    assert columns.value.tolist() == [round((sent[place].get("value") or 0) * 1000) for place in good]
    assert list(columns.actor) == [sent[place].get("actor") or "" for place in good]
    assert list(columns.robot) == [bool(sent[place].get("robot")) for place in good]
    texts = [sent[place].get("attributes") for place in good]
    assert [msgspec.json.decode(a) if a else None for a in columns.attributes] == texts
