"""The two smaller doors, for importers: platforms' own totals, and what an importer refused by itself."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Final, TypeVar
from uuid import UUID

import msgspec

from ingestion import uuids
from ingestion.kafka_log import KafkaLog
from ingestion.parse import Refusal, Why, raw_items, require_utf8, why_not
from ingestion.rejections import SAMPLE_CHARACTERS
from ingestion.validate import INVALID_CONTENT_ID
from wire.events import PLATFORM, Kind, Rejection, Snapshot, encode
from wire.ids import WINDOW_FUTURE_MS, partition
from wire.secrets import without_secrets
from wire.topics import SNAPSHOTS

MAX_COUNT: Final = 10**15
"""Exact in every store on the way, Redis' Lua numbers included."""
MAX_MESSAGE_ITEMS: Final = 1_000

CAPTURED_LATER: Final = Why("invalid_captured_at", "captured_at is more than 5 minutes ahead of the collector's clock")
CAPTURED_EARLIER: Final = Why("invalid_captured_at", "captured_at is before 1970")

Item = TypeVar("Item")


class SnapshotItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A platform's own total of a piece, as an importer writes it."""

    content_id: str
    platform: Annotated[str, msgspec.Meta(pattern=PLATFORM.pattern)]
    kind: Kind
    count: Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)]
    captured_at: Annotated[datetime, msgspec.Meta(tz=True)]


class RejectionItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line or row that an importer refused, as it reports it."""

    id: UUID
    source: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    place: Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)]
    reason: Annotated[str, msgspec.Meta(pattern=r"\A[a-z][a-z0-9_]{0,63}\Z")]
    detail: Annotated[str, msgspec.Meta(max_length=500)]
    sample: Annotated[str, msgspec.Meta(max_length=SAMPLE_CHARACTERS)]


_snapshot = msgspec.json.Decoder(SnapshotItem)
_rejection = msgspec.json.Decoder(RejectionItem)


def snapshots(body: bytes, now: datetime) -> tuple[list[tuple[int, SnapshotItem]], list[Refusal]]:
    """A JSON array of totals -> the good ones with their places, and the refused. Raises Problem as `parse` does."""

    def why(item: SnapshotItem) -> Why | None:
        if uuids.parse([item.content_id])[1]:
            return INVALID_CONTENT_ID
        if (item.captured_at - now).total_seconds() * 1000 > WINDOW_FUTURE_MS:
            return CAPTURED_LATER
        return CAPTURED_EARLIER if item.captured_at.timestamp() < 0 else None

    return _items(body, _snapshot, why)


def rejections(body: bytes, organization_id: UUID, now: datetime) -> tuple[list[Rejection], list[Refusal]]:
    """A JSON array of an importer's refusals -> rejections, and those that are themselves wrong."""
    good, refused = _items(body, _rejection, lambda _: None)
    made = [
        Rejection(
            organization_id=organization_id,
            rejected_at=now,
            id=item.id,
            source=without_secrets(item.source),
            place=item.place,
            reason=item.reason,
            detail=without_secrets(item.detail),
            sample=without_secrets(item.sample),
        )
        for _, item in good
    ]
    return made, refused


def _items(
    body: bytes, decoder: msgspec.json.Decoder[Item], why: Callable[[Item], Why | None]
) -> tuple[list[tuple[int, Item]], list[Refusal]]:
    require_utf8(body)
    good: list[tuple[int, Item]] = []
    refused: list[Refusal] = []
    for place, raw in enumerate(raw_items(body)):
        try:
            item = decoder.decode(raw)
        except (msgspec.DecodeError, RecursionError) as error:
            refused.append(Refusal(place, why_not(error), raw))
            continue
        if (reason := why(item)) is None:
            good.append((place, item))
        else:
            refused.append(Refusal(place, reason, raw))
    return good, refused


async def publish_snapshots(log: KafkaLog, organization_id: UUID, items: Sequence[SnapshotItem]) -> None:
    """Returns when Kafka has them all, each on its content's partition. Raises Transient."""
    lists: dict[int, list[Snapshot]] = defaultdict(list)
    for item in items:
        content_id = UUID(item.content_id)
        made = Snapshot(
            organization_id=organization_id,
            content_id=content_id,
            platform=item.platform,
            kind=item.kind,
            count=item.count,
            captured_at=item.captured_at,
        )
        lists[partition(content_id, SNAPSHOTS.partitions)].append(made)
    await asyncio.gather(
        *(
            log.append(SNAPSHOTS, to, encode(made[at : at + MAX_MESSAGE_ITEMS]), key=made[at].content_id.bytes)
            for to, made in lists.items()
            for at in range(0, len(made), MAX_MESSAGE_ITEMS)
        )
    )
