"""What is to be done, in the imperative. A command is carried out once, however often it is delivered."""

import zlib
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Final, TypeVar
from uuid import UUID

import msgspec

from wire.counters import Cell
from wire.topics import COMMAND_SHARDS


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A command on the wire; `payload` is the JSON of the struct that `type` names below."""

    id: UUID
    type: str
    organization_id: UUID | None
    key: str
    issued_at: datetime
    payload: msgspec.Raw


class ScoreContent(msgspec.Struct, frozen=True, kw_only=True):
    """`content.score`: what a processor thinks of one revision; an older revision never overwrites a newer one."""

    content_id: UUID
    revision: int
    score: float
    parts: dict[str, float]


class Engagement(msgspec.Struct, frozen=True, kw_only=True):
    """One piece's absolute figures. `version` (see `figures_version`) only grows; the larger one wins."""

    organization_id: UUID
    content_id: UUID
    version: int
    totals: dict[str, dict[str, dict[str, int]]] = {}
    """platform -> kind -> {"count", "robots", "value"} (value in thousandths)"""
    cells: tuple[Cell, ...] = ()
    """the same figures as the counters have them; one of the two is given"""


class RecordEngagement(msgspec.Struct, frozen=True, kw_only=True):
    """`content.record_engagement`: absolute figures of many pieces, of any organizations."""

    updates: tuple[Engagement, ...]


class SnapshotTotal(msgspec.Struct, frozen=True, kw_only=True):
    """One platform total, the latest known."""

    organization_id: UUID
    content_id: UUID
    platform: str
    kind: str
    count: int
    captured_at: datetime


class RecordSnapshots(msgspec.Struct, frozen=True, kw_only=True):
    """`content.record_snapshots`: platform totals of many pieces; per (piece, platform, kind) the latest wins."""

    updates: tuple[SnapshotTotal, ...]


class PublishContent(msgspec.Struct, frozen=True, kw_only=True):
    """`content.publish`: the text whose SHA-256 this is, and no other.

    Where `scheduled_at` is given, only while the piece is still to be published at that time.
    """

    content_id: UUID
    sha256: str
    actor_id: UUID
    scheduled_at: datetime | None = None


PAYLOAD_BYTES: Final = 2 << 20
"""Of a command of many pieces."""
MOST_PAYLOAD_BYTES: Final = 7 << 20
"""A command of one piece may have so many; with more, Kafka's largest message does not hold it."""

U = TypeVar("U")


def payloads(updates: Sequence[U], encoded: Callable[[Sequence[U]], bytes]) -> Iterator[tuple[Sequence[U], bytes]]:
    """Updates of pieces -> those of each command, and its payload: halved until it is small, or of one piece."""
    made = encoded(updates)
    if len(made) <= PAYLOAD_BYTES or len(updates) == 1:
        yield updates, made
        return
    half = len(updates) // 2
    yield from payloads(updates[:half], encoded)
    yield from payloads(updates[half:], encoded)


_EVENT_BITS: Final = 44


def figures_version(generation: int, events: int) -> int:
    """The version of a piece's figures: a later generation wins over every earlier one, then the larger count wins."""
    return generation << _EVENT_BITS | events


def events_of_version(version: int) -> int:
    """How many events a version says were counted."""
    return version & ((1 << _EVENT_BITS) - 1)


SCORE_CONTENT = "content.score"
RECORD_ENGAGEMENT = "content.record_engagement"
RECORD_SNAPSHOTS = "content.record_snapshots"
PUBLISH_CONTENT = "content.publish"


def shard(key: str) -> int:
    """The command queue of a key: one key is always one queue, so its commands keep their order."""
    return zlib.crc32(key.encode()) % COMMAND_SHARDS
