"""POST /v1/events at a running collector, with real PostgreSQL and real Kafka behind it."""

import asyncio
import gzip
from collections import Counter
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from wire import envelope, ids
from wire.accounts import window
from wire.topics import EVENTS, REJECTIONS


def encode(value: Any) -> bytes:
    return msgspec.json.encode(value)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("shape", ["array", "wrapped", "lines"])
async def test_every_shape_arrives_whole(
    collecting: Any, organization: Any, log: Any, shape: str, packed: bool
) -> None:
    (content,) = await organization.content()
    sent = [
        organization.event(content, kind="read", platform="newsletter", actor="ß-1", value=12.3456, robot=True),
        organization.event(content.upper(), attributes={"país": "España", "n": [1, None]}),
        organization.event(content, kind="subscribe", actor=None, value=None, attributes=None, robot=None),
    ]
    lines = b"\n\n".join(encode(event) for event in sent) + b"\r\n"
    body = {"array": encode(sent), "wrapped": encode({"events": sent}), "lines": lines}[shape]
    headers = {"content_type": "application/x-ndjson" if shape == "lines" else "application/json; charset=utf-8"}
    if packed:
        body, headers["content_encoding"] = gzip.compress(body), "gzip"

    answer = await collecting.events(body, organization.key, **headers)

    assert answer.status_code == 202, answer.text
    assert answer.json() == {"accepted": 3, "rejected": []}
    stored = await log.events(organization.id, 3)
    assert [event["id"] for event in stored] == [event["id"] for event in sent]
    assert {event["content_id"] for event in stored} == {content}
    assert [(e["kind"], e["platform"], e["robot"], e["value"], e["actor"]) for e in stored] == [
        ("read", "newsletter", True, 12346, "ß-1"),
        ("view", "web", False, 0, ""),
        ("subscribe", "web", False, 0, ""),
    ]
    assert [event["attributes"] for event in stored] == ["", '{"país":"España","n":[1,null]}', ""]


async def test_each_event_is_on_the_partition_of_its_content(collecting: Any, organization: Any, log: Any) -> None:
    contents = await organization.content(40)
    sent = [organization.event(content) for content in contents * 3]
    assert (await collecting.events(sent, organization.key)).json()["accepted"] == 120
    stored = await log.events(organization.id, 120)
    assert len(stored) == 120
    assert {e["partition"] == ids.partition(UUID(e["content_id"]), EVENTS.partitions) for e in stored} == {True}


async def test_a_content_s_events_keep_the_order_in_which_they_were_accepted(
    collecting: Any, organization: Any, log: Any
) -> None:
    contents = await organization.content(5)
    sent = [[organization.event(contents[n % 5]) for n in range(37)] for _ in range(20)]
    for batch in sent:
        assert (await collecting.events(batch, organization.key)).status_code == 202
    stored = await log.events(organization.id, 740)
    for content in contents:
        expected = [event["id"] for batch in sent for event in batch if event["content_id"] == content]
        assert [event["id"] for event in stored if event["content_id"] == content] == expected


async def test_requests_at_the_same_time_lose_nothing(collecting: Any, organization: Any, log: Any) -> None:
    contents = await organization.content(30)
    batches = [[organization.event(contents[(n * m) % 30]) for n in range(1 + m * 13)] for m in range(30)]
    answers = await asyncio.gather(*(collecting.events(batch, organization.key) for batch in batches))
    assert [answer.json()["accepted"] for answer in answers] == [len(batch) for batch in batches]
    sent = [event["id"] for batch in batches for event in batch]
    stored = await log.events(organization.id, len(sent))
    assert sorted(event["id"] for event in stored) == sorted(sent)


async def test_each_envelope_says_which_collector_sent_it_and_how_many_events_of_whom(
    collecting: Any, new_organization: Any, log: Any
) -> None:
    both = [await new_organization() for _ in range(2)]
    batches = [[of.event(id_) for id_ in await of.content(30)] for of in both]
    await asyncio.gather(*(collecting.events(batch, of.key) for of, batch in zip(both, batches, strict=True)))
    mine = {of.id.bytes for of in both}

    def rows(value: bytes) -> list[tuple[UUID, int]]:
        return [
            (UUID(bytes=row["organization_id"]), window(int(row["received_at"].timestamp() * 1000)))
            for row in envelope.decode(value).to_pylist()
            if row["organization_id"] in mine
        ]

    read = [
        message for message in await log.messages(EVENTS, 60, lambda value: len(rows(value))) if rows(message.value)
    ]
    told = [envelope.read_headers(message.headers) for message in read]
    assert [counts for _, counts in told] == [Counter(rows(each.value)) for each in read]
    assert len({collector_id for collector_id, _ in told}) == 1
    assert told[0][0].version == 7


BAD = [
    ({"id": "nonsense"}, "invalid_id"),
    ({"id": str(uuid4())}, "invalid_id"),
    ({"id": f"{{{uuid4()}}}"}, "invalid_id"),
    ({"id": None}, "invalid_id"),
    ({"id": str(ids.id_at(1_400_000_000_000, "old"))}, "id_too_old"),
    ({"id": str(ids.id_at((1 << 48) - 1, "new"))}, "id_in_future"),
    ({"content_id": "x" * 36}, "invalid_content_id"),
    ({"content_id": str(uuid4())}, "unknown_content"),
    ({"kind": "explode"}, "invalid_kind"),
    ({"kind": 0}, "invalid_kind"),
    ({"platform": "Web"}, "invalid_platform"),
    ({"platform": "web\n"}, "invalid_platform"),
    ({"platform": ""}, "invalid_platform"),
    ({"platform": "a" * 33}, "invalid_platform"),
    ({"actor": "ß" * 65}, "invalid_actor"),
    ({"actor": "a\0b"}, "invalid_actor"),
    ({"actor": 5}, "invalid_actor"),
    ({"value": -0.001}, "invalid_value"),
    ({"value": 1_000_000_000.1}, "invalid_value"),
    ({"value": "1"}, "invalid_value"),
    ({"value": True}, "invalid_value"),
    ({"attributes": [1]}, "invalid_attributes"),
    ({"attributes": {"a": "x" * 4096}}, "invalid_attributes"),
    ({"robot": "yes"}, "invalid_robot"),
    ({"organization_id": str(uuid4())}, "unknown_field"),
]


async def test_bad_events_are_refused_and_kept_and_fail_no_other(collecting: Any, organization: Any, log: Any) -> None:
    (content,) = await organization.content()
    good = [organization.event(content), organization.event(content)]
    bad = [organization.event(content) | fields for fields, _ in BAD]
    missing = [{"id": good[0]["id"], "kind": "view", "platform": "web"}, [], 7, "event", None]
    sent = [good[0], *bad, *missing, good[1]]

    answer = await collecting.events(sent, organization.key)

    assert answer.status_code == 202
    assert answer.json()["accepted"] == 2
    expected = [reason for _, reason in BAD] + ["missing_field"] + ["not_an_object"] * 4
    assert [(r["index"], r["reason"]) for r in answer.json()["rejected"]] == list(enumerate(expected, start=1))
    assert [event["id"] for event in await log.events(organization.id, 2)] == [good[0]["id"], good[1]["id"]]
    kept = await log.items(REJECTIONS, organization.id, len(expected))
    assert [(r["place"], r["reason"]) for r in kept] == list(enumerate(expected, start=1))
    assert {(r["source"], r["partition"]) for r in kept} == {
        ("http", ids.partition(organization.id, REJECTIONS.partitions))
    }
    assert '"kind":"explode"' in kept[8]["sample"]
    assert all(len(r["sample"]) <= 500 for r in kept)


async def test_the_same_refusal_again_has_the_same_id(collecting: Any, organization: Any, log: Any) -> None:
    bad = [{"id": "one"}, {"id": "two"}, {"id": "one"}]
    for _ in range(2):
        assert (await collecting.events(bad, organization.key)).json()["accepted"] == 0
    kept = await log.items(REJECTIONS, organization.id, 6)
    assert [r["id"] for r in kept[:3]] == [r["id"] for r in kept[3:]]
    assert len({r["id"] for r in kept}) == 3


async def test_another_organization_s_content_is_as_unknown_as_none_at_all(
    collecting: Any, organization: Any, new_organization: Any
) -> None:
    other = await new_organization()
    (theirs,) = await other.content()
    assert (await collecting.events([other.event(theirs)], other.key)).json()["accepted"] == 1
    foreign = (await collecting.events([organization.event(theirs)], organization.key)).json()["rejected"]
    absent = (await collecting.events([organization.event(str(uuid4()))], organization.key)).json()["rejected"]
    assert foreign == absent == [{"index": 0, "reason": "unknown_content", "detail": foreign[0]["detail"]}]


async def test_content_is_known_soon_after_it_was_made(collecting: Any, organization: Any) -> None:
    (content,) = await organization.content()
    await organization.owner.execute("DELETE FROM content WHERE id = $1", UUID(content))
    sent = [organization.event(content)]
    assert (await collecting.events(sent, organization.key)).json()["accepted"] == 0
    await organization.owner.execute(
        "INSERT INTO content (id, organization_id, creator_id, type, title) VALUES ($1, $2, $3, 'custom', 'A piece')",
        UUID(content),
        organization.id,
        organization.creator_id,
    )
    await asyncio.sleep(1.1)
    assert (await collecting.events(sent, organization.key)).json()["accepted"] == 1


async def test_the_past_needs_a_key_that_may_write_history(collecting: Any, organization: Any, log: Any) -> None:
    (content,) = await organization.content()
    sent = [organization.event(content, id=str(ids.id_at(1_431_857_103_000, "line 1")))]
    assert (await collecting.events(sent, organization.key)).json()["rejected"][0]["reason"] == "id_too_old"
    assert (await collecting.events(sent, organization.history_key)).json()["accepted"] == 1
    assert [event["id"] for event in await log.events(organization.id, 1)] == [sent[0]["id"]]


async def test_lines_that_are_not_json_are_refused_one_by_one(collecting: Any, organization: Any) -> None:
    (content,) = await organization.content()
    good = encode(organization.event(content))
    body = b"\n".join([good, b"{nope", b'{"value": NaN}', b"[" * 100_000, good[:-1], good])
    answer = await collecting.events(body, organization.key, content_type="application/x-ndjson")
    assert answer.json()["accepted"] == 2
    assert [(r["index"], r["reason"]) for r in answer.json()["rejected"]] == [
        (1, "malformed_json"),
        (2, "malformed_json"),
        (3, "not_an_object"),
        (4, "malformed_json"),
    ]


async def test_nothing_at_all_is_accepted_as_nothing(collecting: Any, organization: Any) -> None:
    for body, kind in ((b"[]", "json"), (b'{"events":[]}', "json"), (b"", "x-ndjson"), (b"\n \n", "x-ndjson")):
        answer = await collecting.events(body, organization.key, content_type=f"application/{kind}")
        assert (answer.status_code, answer.json()) == (202, {"accepted": 0, "rejected": []})
