from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from streams.content import ContentProcessor, command, decode
from streams.doors import Doors
from streams.messages import Message
from streams.rejections import NOBODY, of_message
from streams.score import score
from tests.streams.conftest import findings
from wire.commands import SCORE_CONTENT, ScoreContent
from wire.errors import Poison
from wire.events import ContentEvent, ContentState, encode
from wire.topics import CONTENT

AT = datetime(2026, 3, 1, 12, 30, 15, 250_000, UTC)


def event(
    revision: int = 1, type_: str = "content.created", body: str = "Rates rose again. Bonds fell."
) -> ContentEvent:
    state = ContentState(
        type="education", title="What rates mean", body=body, platforms=("web", "linkedin"), status="draft"
    )
    return ContentEvent(
        id=uuid4(),
        type=type_,
        organization_id=uuid4(),
        content_id=uuid4(),
        revision=revision,
        actor_id=uuid4(),
        at=AT,
        content=state,
    )


def message(value: bytes, offset: int = 0) -> Message:
    return Message(CONTENT.name, 4, offset, 1000 + offset, None, value, 1_700_000_000_000)


@pytest.fixture
async def processor(doors: Doors) -> ContentProcessor:
    made = ContentProcessor()
    await made.start(doors)
    return made


async def test_an_event_is_recorded_once_and_its_score_sent_with_one_and_the_same_id(
    processor: ContentProcessor, doors: Doors, servers: Any
) -> None:
    created = event()
    for _ in range(2):
        await processor.process([message(encode(created))])
    (row,) = doors.clickhouse.query(
        "SELECT * FROM content_events WHERE content_id = {c:UUID}", {"c": created.content_id}
    ).named_results()
    at = row.pop("at")
    assert at.replace(tzinfo=UTC) == AT
    assert row == {
        "id": created.id,
        "organization_id": created.organization_id,
        "content_id": created.content_id,
        "type": "content.created",
        "revision": 1,
        "actor_id": created.actor_id,
        "title": "What rates mean",
        "status": "draft",
        "content_type": "education",
        "platforms": ["web", "linkedin"],
        "words": 5,
    }
    first, again = await findings(servers, created.content_id)
    assert first == again
    assert (first.type, first.organization_id, first.key) == (
        SCORE_CONTENT,
        created.organization_id,
        str(created.content_id),
    )
    finding = msgspec.json.decode(first.payload, type=ScoreContent)
    expected = score(created.content.title, created.content.body)
    assert (finding.content_id, finding.revision) == (created.content_id, 1)
    assert (finding.score, finding.parts) == (expected.value, expected.parts)
    assert sum(finding.parts.values()) == finding.score


async def test_only_creations_and_updates_with_a_body_are_scored_but_all_are_recorded(
    processor: ContentProcessor, doors: Doors, servers: Any
) -> None:
    events = [event(type_="content.archived"), event(body=""), event(type_="content.updated", revision=2)]
    await processor.process([message(encode(each), n) for n, each in enumerate(events)])
    assert [len(await findings(servers, each.content_id)) for each in events] == [0, 0, 1]
    recorded = "SELECT count() FROM content_events WHERE organization_id = {o:UUID}"
    for each in events:
        assert doors.clickhouse.query(recorded, {"o": each.organization_id}).result_rows == [(1,)]


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"[]",
        b"\xff\xfe",
        b'{"a":' * 100_000,
        encode(event(revision=-1)),
        encode(event(revision=1 << 32)),
        encode(msgspec.structs.replace(event(), at=datetime(2026, 3, 1))),  # noqa: DTZ001  # that is what is wrong
    ],
)
async def test_what_is_no_event_is_a_rejection_and_the_next_goes_on(
    processor: ContentProcessor, doors: Doors, value: bytes
) -> None:
    good, bad = event(), message(value, int(uuid4().int % 1_000_000))
    await processor.process([bad, message(encode(good))])
    with pytest.raises(Poison) as raised:
        decode(bad)
    found = doors.clickhouse.query(
        "SELECT reason FROM rejections WHERE organization_id = {o:UUID} AND id = {id:UUID}",
        {"o": NOBODY, "id": of_message(bad, raised.value).id},
    ).result_rows
    assert found == [(raised.value.reason,)]
    recorded = "SELECT count() FROM content_events WHERE organization_id = {o:UUID}"
    assert doors.clickhouse.query(recorded, {"o": good.organization_id}).result_rows == [(1,)]


def test_another_revision_is_another_command() -> None:
    one = event()
    two = msgspec.structs.replace(one, revision=2)
    assert command(one, AT).id == command(one, AT).id != command(two, AT).id
