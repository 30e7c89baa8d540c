"""Rejections: what was refused, kept where a person can list it."""

import asyncio
from collections.abc import Iterable
from datetime import UTC
from typing import Final
from uuid import UUID, uuid5

import msgspec

from streams.doors import Doors
from streams.messages import FIRST, LAST, Message
from streams.retry import until_done
from streams.stretches import Admit, anything
from wire.errors import Poison
from wire.events import Rejection
from wire.secrets import LONGEST, without_secrets
from wire.topics import REJECTIONS

NOBODY: Final = UUID(int=0)
"""The organization of what names none, the collector of what none has signed."""
SAMPLE_BYTES: Final = 300
UNREADABLE: Final = (ValueError, RecursionError)
"""What msgspec raises for bytes that are not the message: wrong JSON, a wrong type, wrong UTF-8, nesting too deep."""

_COLUMNS: Final = ("id", "organization_id", "source", "place", "reason", "detail", "sample", "rejected_at")
_TYPES: Final = (
    "UUID",
    "UUID",
    "String",
    "UInt64",
    "LowCardinality(String)",
    "String",
    "String",
    "DateTime64(3, 'UTC')",
)
_rejections = msgspec.json.Decoder(list[Rejection])


class RejectionsProcessor:
    """`engagement.rejections` -> the table of rejections."""

    topic = REJECTIONS
    max_messages = 500
    every_s = 0.2

    async def start(self, doors: Doors) -> None:
        """Take the doors."""
        self._doors = doors

    async def assigned(self, positions: dict[int, int]) -> None:
        """Nothing is held between messages."""

    async def process(self, messages: list[Message], admit: Admit = anything) -> None:
        """Returns when every rejection is stored; a message that does not decode is itself a rejection."""
        rows: list[Rejection] = []
        refused: list[tuple[Message, Poison]] = []
        for message in messages:
            try:
                rows += [storable(rejection) for rejection in decode(message)]
            except Poison as poison:
                refused.append((message, poison))
        admit(refused)
        await store(self._doors, [*rows, *(of_message(message, poison) for message, poison in refused)])

    async def settle(self) -> None:
        """Nothing is left: `process` waits for the store."""

    async def tend(self) -> None:
        """ClickHouse loses nothing."""


def decode(message: Message) -> list[Rejection]:
    """A message's rejections. Raises Poison("undecodable_rejections")."""
    try:
        return _rejections.decode(message.value)
    except UNREADABLE as error:
        raise Poison("undecodable_rejections", str(error)[:500]) from error


def storable(rejection: Rejection) -> Rejection:
    """The same, with a place and a time that the table can hold."""
    at = rejection.rejected_at
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    return msgspec.structs.replace(
        rejection,
        place=min(max(rejection.place, 0), (1 << 64) - 1),
        rejected_at=min(max(at, FIRST), LAST).astimezone(UTC),
    )


def of_message(message: Message, poison: Poison, item: int = 0, organization_id: UUID = NOBODY) -> Rejection:
    """The rejection of a message, or of one item in it; the same again is the same rejection."""
    return Rejection(
        id=uuid5(NOBODY, f"{message.topic}/{message.partition}/{message.position}/{item}"),
        organization_id=organization_id,
        source=f"{message.topic}/{message.partition}",
        place=message.offset,
        reason=poison.reason,
        detail=poison.detail,
        sample=sample_of(message.value or b""),
        rejected_at=message.at,
    )


def sample_of(value: bytes) -> str:
    """The beginning of a message, without what looks like a secret."""
    return without_secrets(value[: SAMPLE_BYTES + LONGEST].decode(errors="replace"))[:SAMPLE_BYTES]


async def store(doors: Doors, rejections: Iterable[Rejection]) -> None:
    """Returns when the table has them."""
    rows = [msgspec.structs.astuple(rejection) for rejection in rejections]
    if rows:
        await until_done(
            "storing rejections",
            lambda: asyncio.to_thread(doors.clickhouse.insert, "rejections", rows, _COLUMNS, column_type_names=_TYPES),
        )
