"""Events of the right shape -> columns, and why some of them are refused; whole columns at a time."""

import re
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import numpy as np
import numpy.typing as npt

from ingestion import uuids
from ingestion.columns import Columns
from ingestion.parse import Batch, Event, Why
from wire.events import KINDS, MAX_ACTOR_BYTES, MAX_ATTRIBUTES_BYTES, MAX_VALUE, PLATFORM_PATTERN
from wire.ids import WINDOW_FUTURE_MS, WINDOW_PAST_MS, words

_CODES: Final = {kind: code for code, kind in enumerate(KINDS)}
_PLATFORM: Final = re.compile(PLATFORM_PATTERN)

INVALID_ID: Final = Why("invalid_id", "id must be a UUIDv7 in its 36-character form")
TOO_OLD: Final = Why("id_too_old", "id is older than 7 days; history needs a write key with that right")
IN_FUTURE: Final = Why("id_in_future", "id is more than 5 minutes ahead of the collector's clock")
INVALID_CONTENT_ID: Final = Why("invalid_content_id", "content_id must be a UUID in its 36-character form")
UNKNOWN_CONTENT: Final = Why("unknown_content", "this organization has no such content")
INVALID_PLATFORM: Final = Why("invalid_platform", f"platform must match {PLATFORM_PATTERN}")
INVALID_ACTOR: Final = Why("invalid_actor", f"actor may have {MAX_ACTOR_BYTES} bytes of UTF-8, none of them zero")
INVALID_VALUE: Final = Why("invalid_value", f"value must be a number from 0 to {MAX_VALUE}")
INVALID_ATTRIBUTES: Final = Why(
    "invalid_attributes", f"attributes must be a JSON object of at most {MAX_ATTRIBUTES_BYTES} bytes"
)


def validate(batch: Batch, *, organization_id: UUID, now_ms: int, history: bool) -> tuple[Batch, Columns]:
    """A batch less what is wrong in it by itself, and its events as columns.

    `history` lifts the limit on how old an id may be. Whether the content exists is asked elsewhere.
    """
    columns, bad = _columns(batch.events, organization_id, now_ms, history)
    if bad:
        batch = batch.without(bad)
        columns, _ = _columns(batch.events, organization_id, now_ms, history)
    return batch, columns


def _columns(
    events: Sequence[Event], organization_id: UUID, now_ms: int, history: bool
) -> tuple[Columns, dict[int, Why]]:
    count = len(events)
    both, bad_uuids = uuids.parse([event.id for event in events] + [event.content_id for event in events])
    ids, content_ids = both[:count], both[count:]
    platforms = [event.platform for event in events]
    actors = [event.actor or "" for event in events]
    values, bad_values = _thousandths([event.value for event in events])
    attributes, bad_attributes = _attributes([bytes(event.attributes) for event in events])
    bad: dict[int, Why] = {}
    for why, places in (
        (INVALID_ID, [place for place in bad_uuids if place < count]),
        *_misplaced(ids, now_ms, history),
        (INVALID_CONTENT_ID, [place - count for place in bad_uuids if place >= count]),
        (INVALID_PLATFORM, _bad_platforms(platforms)),
        (INVALID_ACTOR, _bad_actors(actors)),
        (INVALID_VALUE, bad_values),
        (INVALID_ATTRIBUTES, bad_attributes),
    ):
        for place in places:
            bad.setdefault(place, why)
    columns = Columns(
        organization_id=organization_id,
        content_id=content_ids,
        id=ids,
        kind=bytes([_CODES[event.kind] for event in events]),
        platform=platforms,
        robot=bytes([event.robot is True for event in events]),
        value=values,
        actor=actors,
        attributes=attributes,
        received_at_ms=now_ms,
    )
    return columns, bad


def _misplaced(ids: uuids.Bytes, now_ms: int, history: bool) -> list[tuple[Why, list[int]]]:
    """Ids of another version, and ids whose time is out of the window."""
    high, low = words(ids)
    at_ms = high >> np.uint64(16)
    is_v7 = uuids.is_v7(high, low)
    not_too_old = at_ms >= np.uint64(0 if history else max(0, now_ms - WINDOW_PAST_MS))
    not_in_future = at_ms <= np.uint64(now_ms + WINDOW_FUTURE_MS)
    if (is_v7 & not_too_old & not_in_future).all():
        return []
    return [(INVALID_ID, _where(~is_v7)), (TOO_OLD, _where(~not_too_old)), (IN_FUTURE, _where(~not_in_future))]


def _where(mask: npt.NDArray[np.bool_]) -> list[int]:
    return np.flatnonzero(mask).tolist()


def _bad_platforms(platforms: Sequence[str]) -> list[int]:
    wrong = {platform for platform in set(platforms) if not _PLATFORM.fullmatch(platform)}
    return [at for at, platform in enumerate(platforms) if platform in wrong] if wrong else []


def _bad_actors(actors: Sequence[str]) -> list[int]:
    joined = "".join(actors)
    if joined.isascii() and "\0" not in joined and max(map(len, actors), default=0) <= MAX_ACTOR_BYTES:
        return []
    return [at for at, actor in enumerate(actors) if len(actor.encode()) > MAX_ACTOR_BYTES or "\0" in actor]


def _thousandths(values: Sequence[float | None]) -> tuple[npt.NDArray[np.uint64], list[int]]:
    """Values as whole thousandths, 0 where there is none, and the places of those out of range."""
    if not any(values):
        return np.zeros(len(values), np.uint64), []
    numbers = np.array(values, np.float64)
    wrong = (numbers < 0) | (numbers > MAX_VALUE)
    numbers[wrong | np.isnan(numbers)] = 0
    return np.rint(numbers * 1000).astype(np.uint64), _where(wrong)


def _attributes(raws: list[bytes]) -> tuple[list[bytes], list[int]]:
    """Attributes as JSON text, empty where there are none, and the places of those that will not do.

    The decoder has made sure that each is well-formed JSON.
    """
    distinct = set(raws)
    if b"null" in distinct:
        raws = [b"" if raw == b"null" else raw for raw in raws]
        distinct.discard(b"null")
    distinct.discard(b"")
    wrong = {raw for raw in distinct if raw[:1] != b"{" or len(raw) > MAX_ATTRIBUTES_BYTES}
    return raws, [at for at, raw in enumerate(raws) if raw in wrong] if wrong else []
