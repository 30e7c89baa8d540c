"""Content events: recorded in ClickHouse, and scored; the score goes back to PostgreSQL as a command."""

import asyncio
from datetime import UTC, datetime
from typing import Final
from uuid import uuid5

import msgspec

from streams.doors import Doors
from streams.messages import FIRST, LAST, Message
from streams.rejections import UNREADABLE, of_message, store
from streams.retry import until_done
from streams.score import VERSION, plain, score, words
from streams.stretches import Admit, anything
from wire.commands import SCORE_CONTENT, Command, ScoreContent
from wire.errors import Poison
from wire.events import ContentEvent, encode
from wire.ids import partition
from wire.topics import CONTENT, FINDINGS

SCORED: Final = ("content.created", "content.updated")

_TYPES: Final = {
    "id": "UUID",
    "organization_id": "UUID",
    "content_id": "UUID",
    "type": "LowCardinality(String)",
    "revision": "UInt32",
    "actor_id": "UUID",
    "at": "DateTime64(3, 'UTC')",
    "title": "String",
    "status": "LowCardinality(String)",
    "content_type": "LowCardinality(String)",
    "platforms": "Array(LowCardinality(String))",
    "words": "UInt32",
}
_event = msgspec.json.Decoder(ContentEvent)


class ContentProcessor:
    """`content.events` -> ClickHouse, and `content.score` for PostgreSQL."""

    topic = CONTENT
    max_messages = 200
    every_s = 0.1

    async def start(self, doors: Doors) -> None:
        """Take the doors."""
        self._doors = doors

    async def assigned(self, positions: dict[int, int]) -> None:
        """Nothing is held between messages."""

    async def process(self, messages: list[Message], admit: Admit = anything) -> None:
        """Returns when the events are recorded, and the commands with their scores are on their way."""
        events: list[ContentEvent] = []
        refused: list[tuple[Message, Poison]] = []
        for message in messages:
            try:
                events.append(decode(message))
            except Poison as poison:
                refused.append((message, poison))
        admit(refused)
        await store(self._doors, [of_message(message, poison) for message, poison in refused])
        if events:
            await self._record(events)
        issued_at = datetime.fromtimestamp(self._doors.now(), UTC)
        for event in events:
            if event.type in SCORED and event.content.body:
                await self._report(await asyncio.to_thread(command, event, issued_at))

    async def settle(self) -> None:
        """Nothing is left: `process` waits for every store."""

    async def tend(self) -> None:
        """ClickHouse loses nothing."""

    async def _record(self, events: list[ContentEvent]) -> None:
        rows = [row(event) for event in events]
        insert = self._doors.clickhouse.insert
        await until_done(
            "recording content events",
            lambda: asyncio.to_thread(
                insert, "content_events", rows, tuple(_TYPES), column_type_names=tuple(_TYPES.values())
            ),
        )

    async def _report(self, made: Command) -> None:
        content_id = msgspec.json.decode(made.payload, type=ScoreContent).content_id
        to = partition(content_id, FINDINGS.partitions)
        send = self._doors.producer.send_and_wait
        await until_done("reporting a score", lambda: send(FINDINGS.name, encode(made), content_id.bytes, to))


def decode(message: Message) -> ContentEvent:
    """A message's event. Raises Poison for anything that is none, or that no table could hold."""
    try:
        event = _event.decode(message.value)
    except UNREADABLE as error:
        raise Poison("undecodable_content_event", str(error)[:500]) from error
    if not 0 <= event.revision < 1 << 32:
        raise Poison("bad_content_event", f"its revision {event.revision} is not from 0 to {(1 << 32) - 1}")
    if event.at.tzinfo is None:
        raise Poison("bad_content_event", f"its time {event.at} is in no time zone")
    if not FIRST <= event.at < LAST:
        raise Poison("bad_content_event", f"its time {event.at} is not from {FIRST:%Y} on and before {LAST:%Y}")
    return event


def row(event: ContentEvent) -> list[object]:
    """An event as the table keeps it: all but the body, of which only the number of words stays."""
    state = event.content
    return [
        *(event.id, event.organization_id, event.content_id, event.type, event.revision, event.actor_id, event.at),
        *(state.title, state.status, state.type, list(state.platforms), words(plain(state.body))),
    ]


def command(event: ContentEvent, issued_at: datetime) -> Command:
    """The command with the score of one revision; the same revision scored in the same way gives the same id."""
    scored = score(event.content.title, event.content.body)
    finding = ScoreContent(content_id=event.content_id, revision=event.revision, score=scored.value, parts=scored.parts)
    return Command(
        id=uuid5(event.content_id, f"{SCORE_CONTENT}/{event.revision}/{VERSION}"),
        type=SCORE_CONTENT,
        organization_id=event.organization_id,
        key=str(event.content_id),
        issued_at=issued_at,
        payload=msgspec.Raw(encode(finding)),
    )
