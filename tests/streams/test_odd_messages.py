"""Whatever somebody else writes into the log is counted or refused, each with its reason; the worker goes on."""

import asyncio
import json
from typing import Any
from uuid import UUID, uuid4

import pyarrow as pa
import pytest

from streams.content import ContentProcessor
from streams.doors import Doors
from streams.messages import Message, position
from streams.rejections import NOBODY, RejectionsProcessor
from streams.snapshots import SnapshotsProcessor
from tests.streams.test_engagement import EPOCH, NOW_MS, begin, figures_of
from wire import envelope, ids
from wire.topics import CONTENT, EVENTS, REJECTIONS, SNAPSHOTS, Topic

PIECE = UUID(int=77)
OF = ids.partition(PIECE, EVENTS.partitions)
FAR_AWAY_MS = (-(1 << 62), 1 << 62, 253_402_300_800_000)


def message(topic: Topic, partition: int, offset: int, value: bytes, timestamp_ms: int = NOW_MS) -> Message:
    return Message(topic.name, partition, offset, position(EPOCH, offset), None, value, timestamp_ms)


def one_event(organization: UUID, offset: int, **fields: Any) -> Message:
    """A good envelope of one event, columns replaced: by values of their types, or by a whole column."""
    event = {
        "organization_id": organization.bytes,
        "content_id": PIECE.bytes,
        "id": ids.id_at(NOW_MS, str(organization), str(offset)).bytes,
        "kind": 0,
        "platform": platforms("web"),
        "robot": False,
        "value": 0,
        "actor": "",
        "attributes": "",
        "received_at": NOW_MS,
    } | fields
    arrays = [
        made if isinstance(made := event[field.name], pa.Array) else pa.array([made], field.type)
        for field in envelope.SCHEMA
    ]
    return message(EVENTS, OF, offset, envelope.encode(pa.record_batch(arrays, schema=envelope.SCHEMA)))


def platforms(*names: str | None, index: int | None = 0) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array([index], pa.int16()), pa.array(names, pa.string()))


REFUSED = {
    **{f"no {name}": {name: None} for name in envelope.SCHEMA.names if name != "platform"},
    "no platform": {"platform": platforms("web", index=None)},
    "a platform that is nothing": {"platform": platforms(None)},
    "an empty platform": {"platform": platforms("")},
    "a platform with a zero byte": {"platform": platforms("a\0b")},
    "an id of zeros": {"id": bytes(16)},
    "an id of ones": {"id": b"\xff" * 16},
    "a random id": {"id": UUID("d7a4b8f0-5a3c-4a52-9a1e-0d3b6f0c9e11").bytes},
    "an id of the year 2110": {"id": ids.id_at(4_420_000_000_000, "").bytes},
    "an id of the last year": {"id": ids.id_at((1 << 48) - 1, "").bytes},
    "a kind of the future": {"kind": 200},
    "the largest value": {"value": (1 << 64) - 1},
}
COUNTED: dict[str, dict[str, Any]] = {
    "a platform twice": {"platform": platforms("web", "web", index=1)},
    "received before all times": {"received_at": -(1 << 62)},
    "received after all times": {"received_at": 1 << 62},
    "an actor with a zero byte": {"actor": "a\0b"},
    "attributes that are no JSON": {"attributes": "{nope"},
    "a piece of nobody's": {"organization_id": bytes(16)},
}


async def test_no_envelope_whatever_is_in_it_stops_the_counting(doors: Doors) -> None:
    organization = uuid4()
    odd = [one_event(organization, at, **fields) for at, fields in enumerate([*REFUSED.values(), *COUNTED.values()])]
    good = one_event(organization, len(odd))
    worker = await begin(doors, {OF: 0})
    for each in odd:
        await worker.process([each])
    await worker.settle()
    again = await begin(doors, {OF: 1})
    await again.process([*odd[1:], good])
    await again.settle()

    minutes = {(PIECE, NOW_MS // 60_000, "web", "view"): (len(COUNTED), 0, 0)}  # one of them is nobody's; and the good
    assert await figures_of(doors, "engagement_events", organization) == minutes
    assert await figures_of(doors, "engagement_minutes", organization) == minutes
    refused = await asyncio.to_thread(
        doors.clickhouse.query,
        "SELECT place FROM rejections WHERE organization_id = {o:UUID} AND source = {s:String}"
        " AND rejected_at = {t:DateTime64(3)}",
        {"o": NOBODY, "s": f"{EVENTS.name}/{OF}", "t": NOW_MS / 1000},
    )
    assert {row[0] for row in refused.result_rows} >= set(range(len(REFUSED)))
    assert {row[0] for row in refused.result_rows}.isdisjoint(range(len(REFUSED), len(odd) + 1))


TIMES = (
    *("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "1899-12-31T00:00:00Z"),
    *("2300-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00", "2026-01-01T00:00:00"),
)


def bodies(at: str) -> list[tuple[Any, Topic, Any]]:
    rejection = {"source": "s", "place": 10**30, "reason": "r", "detail": "d", "sample": "s", "rejected_at": at}
    state = {"type": "custom", "title": "t", "body": "b", "platforms": ["web"], "status": "draft"}
    event = {"type": "content.created", "revision": 1, "at": at, "content": state}
    snapshot = {"platform": "web", "kind": "view", "count": 1, "captured_at": at}
    ids_ = {name: str(uuid4()) for name in ("id", "organization_id", "content_id", "actor_id")}
    return [
        (RejectionsProcessor, REJECTIONS, [ids_ | rejection]),
        (ContentProcessor, CONTENT, ids_ | event),
        (SnapshotsProcessor, SNAPSHOTS, [ids_ | snapshot]),
    ]


@pytest.mark.parametrize("which", range(3))
async def test_no_time_whatever_in_a_message_or_of_it_stops_its_processor(doors: Doors, which: int) -> None:
    (of, topic, _) = bodies("")[which]
    processor = of()
    await processor.start(doors)
    await processor.assigned({0: position(EPOCH, 0)})
    values = [json.dumps(bodies(at)[which][2]).encode() for at in TIMES]
    await processor.process([message(topic, 0, at, value) for at, value in enumerate(values)])
    await processor.process([message(topic, 0, at, b"bad", ms) for at, ms in enumerate(FAR_AWAY_MS)])
    kept = await asyncio.to_thread(
        doors.clickhouse.query,
        "SELECT toYear(min(rejected_at)), toYear(max(rejected_at)) FROM rejections WHERE source = {s:String}",
        {"s": f"{topic.name}/0"},
    )
    assert kept.result_rows == [(1970, 2200)]
