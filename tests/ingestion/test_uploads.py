"""POST /v1/snapshots and /v1/rejections at a running collector."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from wire import ids
from wire.topics import REJECTIONS, SNAPSHOTS

NOW = datetime(2026, 11, 1, 8, 30, tzinfo=UTC)


def snapshot(content_id: str, **fields: Any) -> dict[str, Any]:
    made = {"content_id": content_id, "platform": "facebook", "kind": "share", "count": 7, "captured_at": NOW}
    return made | fields


async def test_snapshots_are_kept_on_their_content_s_partition(collecting: Any, organization: Any, log: Any) -> None:
    contents = await organization.content(20)
    sent = [
        snapshot(content, kind=kind, count=n) for n, content in enumerate(contents) for kind in ("share", "comment")
    ]
    answer = await collecting.post("/v1/snapshots", sent, organization.history_key)
    assert answer.json() == {"accepted": 40, "rejected": []}
    stored = await log.items(SNAPSHOTS, organization.id, 40)
    assert sorted((s["content_id"], s["kind"], s["count"]) for s in stored) == sorted(
        (s["content_id"], s["kind"], s["count"]) for s in sent
    )
    assert {datetime.fromisoformat(s["captured_at"]) for s in stored} == {NOW}
    assert all(s["partition"] == ids.partition(UUID(s["content_id"]), SNAPSHOTS.partitions) for s in stored)


BAD_SNAPSHOTS = [
    ({"content_id": "nonsense"}, "invalid_content_id"),
    ({"content_id": str(uuid4())}, "unknown_content"),
    ({"platform": "Face Book"}, "invalid_platform"),
    ({"platform": "facebook\n"}, "invalid_platform"),
    ({"kind": "likes"}, "invalid_kind"),
    ({"count": -1}, "invalid_count"),
    ({"count": 1.5}, "invalid_count"),
    ({"count": 10**16}, "invalid_count"),
    ({"count": 10**400}, "invalid_count"),
    ({"count": None}, "invalid_count"),
    ({"captured_at": "2026-11-01"}, "invalid_captured_at"),
    ({"captured_at": "2026-11-01T08:30:00"}, "invalid_captured_at"),
    ({"captured_at": "1969-12-31T23:59:59Z"}, "invalid_captured_at"),
    ({"captured_at": datetime.now(UTC) + timedelta(hours=1)}, "invalid_captured_at"),
    ({"age": 1}, "unknown_field"),
]


async def test_bad_snapshots_are_refused_and_kept_and_fail_no_other(
    collecting: Any, organization: Any, log: Any
) -> None:
    import json

    (content,) = await organization.content()
    sent = [snapshot(content), *(snapshot(content) | fields for fields, _ in BAD_SNAPSHOTS)]
    answer = await collecting.post("/v1/snapshots", json.dumps(sent, default=str).encode(), organization.history_key)
    expected = [(place, reason) for place, (_, reason) in enumerate(BAD_SNAPSHOTS, start=1)]
    assert answer.json()["accepted"] == 1
    assert [(r["index"], r["reason"]) for r in answer.json()["rejected"]] == expected
    kept = await log.items(REJECTIONS, organization.id, len(expected))
    assert sorted((r["place"], r["reason"]) for r in kept) == expected


def refusal(place: int, sample: str = "x") -> dict[str, Any]:
    id_ = str(ids.id_at(0, "test", str(place)))
    return {"id": id_, "source": "a.log", "place": place, "reason": "not_a_page", "detail": "-", "sample": sample}


async def test_an_importer_s_refusals_are_kept_as_they_are_told(collecting: Any, organization: Any, log: Any) -> None:
    sent = [refusal(n, sample="é" * 500) for n in range(2_500)]
    answer = await collecting.post("/v1/rejections", sent, organization.history_key)
    assert answer.json() == {"accepted": 2_500, "rejected": []}
    stored = await log.items(REJECTIONS, organization.id, 2_500)
    assert [{name: r[name] for name in sent[0]} for r in stored] == sent
    assert {r["organization_id"] for r in stored} == {str(organization.id)}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"id": "1"}, "invalid_id"),
        ({"reason": "Not A Word"}, "invalid_reason"),
        ({"place": -1}, "invalid_place"),
        ({"sample": "x" * 501}, "invalid_sample"),
        ({"source": ""}, "invalid_source"),
        ({"organization_id": str(uuid4())}, "unknown_field"),
    ],
)
async def test_a_refusal_that_is_itself_wrong_is_told_and_kept(
    collecting: Any, organization: Any, log: Any, fields: dict[str, Any], reason: str
) -> None:
    answer = await collecting.post("/v1/rejections", [refusal(1), refusal(2) | fields], organization.history_key)
    assert answer.json()["accepted"] == 1
    assert [(r["index"], r["reason"]) for r in answer.json()["rejected"]] == [(1, reason)]
    kept = await log.items(REJECTIONS, organization.id, 2)
    assert sorted((r["source"], r["place"], r["reason"]) for r in kept) == [
        ("a.log", 1, "not_a_page"),
        ("http", 1, reason),
    ]
