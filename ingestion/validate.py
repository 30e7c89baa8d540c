"""The events of a group of requests -> columns, and why some of them are refused; whole columns at a time.

An event is judged by itself: neither its own request nor another in the group changes what becomes of it.
"""

from collections.abc import Sequence, Set
from itertools import accumulate, chain
from typing import Final, NamedTuple
from uuid import UUID

import msgspec
import numpy as np
import numpy.typing as npt

from ingestion import uuids
from ingestion.columns import Coded, Columns, Rows, Texts
from ingestion.parse import Batch, Event, Refusal, Why
from ingestion.platforms import TOO_MANY_PLATFORMS
from wire.events import KINDS, MAX_ACTOR_BYTES, MAX_ATTRIBUTES_BYTES, MAX_VALUE, PLATFORM, PLATFORM_PATTERN
from wire.ids import WINDOW_FUTURE_MS, WINDOW_PAST_MS, is_v7, words

_CODES: Final = {kind: code for code, kind in enumerate(KINDS)}

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


class Sent(NamedTuple):
    """One request's events of the right shape, and what it takes to judge them."""

    organization_id: UUID
    batch: Batch
    now_ms: int
    history: bool
    """whether ids may be as old as they like"""
    unknown: Set[str]
    """the content ids in it, as written, that the organization does not have"""
    too_many: Set[str] = frozenset()
    """the platforms in it that are more than the organization may name"""


def validate(many: Sequence[Sent]) -> tuple[Columns, list[list[Refusal]]]:
    """All events of these requests as columns, and each request's refusals; `good` are the others."""
    events = list(chain.from_iterable(sent.batch.events for sent in many))
    counts = [len(sent.batch.events) for sent in many]
    owner = np.repeat(np.arange(len(many)), counts)
    content_ids = [event.content_id for event in events]
    names = [event.platform for event in events]
    both, bad_uuids = uuids.parse([event.id for event in events] + content_ids)
    ids = both[: len(events)]
    platforms, bad_platforms = _platforms(names)
    actors = Texts.of([event.actor or "" for event in events])
    values, bad_values = _thousandths([event.value for event in events])
    attributes, bad_attributes = _attributes([event.attributes for event in events])
    bad: dict[int, Why] = {}
    for why, places in (
        (INVALID_ID, [place for place in bad_uuids if place < len(events)]),
        *_misplaced(ids, many, owner),
        (INVALID_CONTENT_ID, [place - len(events) for place in bad_uuids if place >= len(events)]),
        (INVALID_PLATFORM, bad_platforms),
        (INVALID_ACTOR, _bad_actors(actors)),
        (INVALID_VALUE, bad_values),
        (INVALID_ATTRIBUTES, bad_attributes),
        (UNKNOWN_CONTENT, _among(content_ids, [sent.unknown for sent in many], counts)),
        (TOO_MANY_PLATFORMS, _among(names, [sent.too_many for sent in many], counts)),
    ):
        for place in places:
            bad.setdefault(place, why)
    columns = Columns(
        organizations=[sent.organization_id for sent in many],
        received_at_ms=[sent.now_ms for sent in many],
        owner=owner,
        good=np.delete(np.arange(len(events)), list(bad)),
        content_id=both[len(events) :],
        id=ids,
        kind=bytes([_CODES[event.kind] for event in events]),
        platform=platforms,
        robot=bytes([event.robot is True for event in events]),
        value=values,
        actor=actors,
        attributes=attributes,
    )
    return columns, _refusals(bad, events, many, owner)


def _refusals(bad: dict[int, Why], events: Sequence[Event], many: Sequence[Sent], owner: Rows) -> list[list[Refusal]]:
    """By request."""
    refusals: list[list[Refusal]] = [[] for _ in many]
    starts = np.searchsorted(owner, np.arange(len(many)))
    for at, why in bad.items():
        of = owner[at]
        place = many[of].batch.places[at - starts[of]]
        refusals[of].append(Refusal(place, why, msgspec.json.encode(events[at])))
    return refusals


def _misplaced(ids: uuids.Bytes, many: Sequence[Sent], owner: Rows) -> list[tuple[Why, list[int]]]:
    """Ids of another version, and ids whose time is out of the window."""
    high, low = words(ids)
    at_ms = high >> np.uint64(16)
    earliest = [0 if sent.history else max(0, sent.now_ms - WINDOW_PAST_MS) for sent in many]
    v7 = is_v7(high, low)
    not_too_old = at_ms >= np.array(earliest, np.uint64)[owner]
    not_in_future = at_ms <= np.array([sent.now_ms + WINDOW_FUTURE_MS for sent in many], np.uint64)[owner]
    if (v7 & not_too_old & not_in_future).all():
        return []
    return [(INVALID_ID, _where(~v7)), (TOO_OLD, _where(~not_too_old)), (IN_FUTURE, _where(~not_in_future))]


def _where(mask: npt.NDArray[np.bool_]) -> list[int]:
    return np.flatnonzero(mask).tolist()


def _platforms(platforms: Sequence[str]) -> tuple[Coded, list[int]]:
    """Platforms as codes of their names, and the places of those that will not do, whose names are not kept."""
    distinct = dict.fromkeys(platforms, -1)
    good = [name for name in distinct if PLATFORM.match(name)]
    codes = distinct | {name: code for code, name in enumerate(good)}
    coded = np.fromiter(map(codes.__getitem__, platforms), np.int16, len(platforms))
    if len(good) == len(distinct):
        return Coded(good, coded), []
    return Coded(good or [""], np.maximum(coded, 0)), _where(coded < 0)


def _bad_actors(actors: Texts) -> list[int]:
    wrong = actors.lengths() > MAX_ACTOR_BYTES
    if b"\0" in actors.data:
        wrong[actors.places_of(0)] = True
    return _where(wrong)


def _thousandths(values: Sequence[float | None]) -> tuple[npt.NDArray[np.uint64], list[int]]:
    """Values as whole thousandths, 0 where there is none, and the places of those out of range."""
    if not any(values):
        return np.zeros(len(values), np.uint64), []
    numbers = np.array(values, np.float64)
    wrong = (numbers < 0) | (numbers > MAX_VALUE)
    numbers[wrong | np.isnan(numbers)] = 0
    return np.rint(numbers * 1000).astype(np.uint64), _where(wrong)


def _attributes(raws: Sequence[msgspec.Raw]) -> tuple[Texts, list[int]]:
    """Attributes as JSON text, empty where there are none, and the places of those that will not do.

    The decoder has made sure that each is well-formed JSON, so its first byte says what it is.
    """
    texts = Texts.of_bytes(raws)
    first = texts.first_bytes()
    if (null := first == ord("n")).any():
        texts = Texts.of_bytes([b"" if none else raw for raw, none in zip(raws, null.tolist(), strict=True)])
        first = texts.first_bytes()
    return texts, _where((first != ord("{")) & (first != 0) | (texts.lengths() > MAX_ATTRIBUTES_BYTES))


def _among(texts: Sequence[str], refused: Sequence[Set[str]], counts: Sequence[int]) -> list[int]:
    """The places of those texts that are among what is refused of their request."""
    found: list[int] = []
    for those, start, end in zip(refused, accumulate(counts, initial=0), accumulate(counts), strict=False):
        if those:
            found += [at for at in range(start, end) if texts[at] in those]
    return found
