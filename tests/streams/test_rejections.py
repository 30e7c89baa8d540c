from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from streams.doors import Doors
from streams.messages import Message
from streams.rejections import NOBODY, RejectionsProcessor, of_message
from wire.errors import Poison
from wire.events import Rejection, encode
from wire.topics import REJECTIONS

AT = datetime(2026, 3, 1, 12, 30, 15, 250_000, UTC)


def message(value: bytes, offset: int = 0) -> Message:
    return Message(REJECTIONS.name, 1, offset, 1000 + offset, None, value, int(AT.timestamp() * 1000))


def rejection(organization_id: UUID, **changes: Any) -> Rejection:
    of: dict[str, Any] = {
        "id": uuid4(),
        "organization_id": organization_id,
        "source": "http",
        "place": 3,
        "reason": "unknown_kind",
        "detail": "kind 'wink' is not known",
        "sample": '{"kind": "wink"}',
        "rejected_at": AT,
    }
    return Rejection(**of | changes)


@pytest.fixture
async def processor(doors: Doors) -> RejectionsProcessor:
    made = RejectionsProcessor()
    await made.start(doors)
    return made


async def test_a_rejection_is_kept_as_it_is_and_once_however_often_it_comes(
    processor: RejectionsProcessor, doors: Doors
) -> None:
    organization = uuid4()
    one, two = rejection(organization), rejection(organization, place=4, detail="NUL \x00 and ünïcode")
    for _ in range(2):
        await processor.process([message(encode([one])), message(encode([two, one]), 1)])
    found = doors.clickhouse.query(
        "SELECT id, place, reason, detail, sample, rejected_at FROM rejections WHERE organization_id = {o:UUID} "
        "ORDER BY place",
        {"o": organization},
    ).result_rows
    assert [row[:5] for row in found] == [(r.id, r.place, r.reason, r.detail, r.sample) for r in (one, two)]
    assert {row[5].replace(tzinfo=UTC) for row in found} == {AT}


@pytest.mark.parametrize(
    "value",
    [b"", b"\xff\xfe", b"{}", b'[{"id": 7}]', b"[" * 100_000 + b"]" * 100_000, b'[{"x": ' + b"[" * 50_000, b"null"],
)
async def test_a_message_that_does_not_decode_is_a_rejection_itself_and_the_others_are_kept(
    processor: RejectionsProcessor, doors: Doors, value: bytes
) -> None:
    organization = uuid4()
    bad = message(value, int(uuid4().int % 1_000_000))
    await processor.process([bad, message(encode([rejection(organization)]))])
    expected = of_message(bad, Poison("undecodable_rejections"))
    found = doors.clickhouse.query(
        "SELECT source, place, reason FROM rejections WHERE organization_id = {o:UUID} AND id = {id:UUID}",
        {"o": NOBODY, "id": expected.id},
    ).result_rows
    assert found == [(f"{REJECTIONS.name}/1", bad.offset, "undecodable_rejections")]
    kept = "SELECT count() FROM rejections WHERE organization_id = {o:UUID}"
    assert doors.clickhouse.query(kept, {"o": organization}).result_rows == [(1,)]


async def test_places_and_times_that_no_column_holds_are_brought_into_range(
    processor: RejectionsProcessor, doors: Doors
) -> None:
    organization = uuid4()
    naive = datetime(2026, 3, 1, 12)  # noqa: DTZ001  # a sender that names no time zone means UTC
    odd = [rejection(organization, place=-1, rejected_at=naive), rejection(organization, place=1 << 70)]
    await processor.process([message(encode(odd))])
    found = doors.clickhouse.query(
        "SELECT place FROM rejections WHERE organization_id = {o:UUID} ORDER BY place", {"o": organization}
    ).result_rows
    assert found == [(0,), ((1 << 64) - 1,)]
