"""A body -> the events in it that have the right shape, and a refusal for each of the others.

The whole body is decoded at once, which is fast; only where that fails is it taken apart, event by event, to find which
ones are to blame.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from ingestion.problems import malformed, too_large
from wire.events import Kind
from wire.secrets import without_secrets

MAX_EVENTS: Final = 10_000
MAX_SEPARATORS: Final = 1_000_000
"""Commas and line ends in a body that is taken apart: what bounds the memory that its pieces need."""
DETAIL_CHARACTERS: Final = 300

_NONE: Final = msgspec.Raw()


class Event(msgspec.Struct, gc=False, forbid_unknown_fields=True, omit_defaults=True):
    """One engagement event as a sender writes it; `null` is the same as leaving a field out."""

    id: str
    content_id: str
    kind: Kind
    platform: str
    actor: str | None = None
    value: float | None = None
    attributes: msgspec.Raw = _NONE
    robot: bool | None = None


class Why(NamedTuple):
    """Why something is refused: a stable word, and a sentence."""

    reason: str
    detail: str


class Refusal(NamedTuple):
    """One refused item of a request: its place in it, why, and the item itself."""

    place: int
    why: Why
    raw: bytes


class Batch(NamedTuple):
    """What is left of a request: its good events with their places, and what was refused."""

    events: Sequence[Event]
    places: Sequence[int]
    refused: Sequence[Refusal] = ()


class _Wrapped(msgspec.Struct, forbid_unknown_fields=True):
    events: list[Event]


class _WrappedRaw(msgspec.Struct, forbid_unknown_fields=True):
    events: list[msgspec.Raw]


_event = msgspec.json.Decoder(Event)
_events = msgspec.json.Decoder(list[Event])
_wrapped = msgspec.json.Decoder(_Wrapped)
_raws = msgspec.json.Decoder(list[msgspec.Raw])
_wrapped_raws = msgspec.json.Decoder(_WrappedRaw)

_OBJECT: Final = re.compile(rb"[ \t\r\n]*\{")
_FIELD: Final = re.compile(r" - at `\$\.(\w+)")
_SHAPES: Final = 'Send a JSON array of events, {"events": [...]}, or one event a line as application/x-ndjson.'


def parse(body: bytes, *, lines: bool) -> Batch:
    """A body of JSON, or of JSON lines, -> its events.

    Raises Problem: 400 where the body as a whole cannot be read, 413 for more than MAX_EVENTS.
    """
    require_utf8(body)
    try:
        events = _decode(body, lines)
    except (msgspec.DecodeError, RecursionError) as error:
        if lines or isinstance(error, msgspec.ValidationError):
            return _one_by_one(raw_items(body, lines=lines, wrapped=_is_object(body)))
        raise malformed(f"The body is not JSON: {error}. {_SHAPES}") from error
    _require_few(len(events))
    return Batch(events, range(len(events)))


def require_utf8(body: bytes) -> None:
    """Raises Problem 400 for bytes that are not UTF-8; the JSON decoder looks only into the strings that it needs."""
    try:
        if not body.isascii():
            body.decode()
    except UnicodeDecodeError as error:
        raise malformed(f"The body is not UTF-8: {error.reason} at byte {error.start}.") from error


def raw_items(body: bytes, *, lines: bool = False, wrapped: bool = False) -> list[bytes]:
    """Each item's own bytes, in order: of a JSON array, of JSON lines, or of {"events": [...]}; blank lines are none.

    Raises Problem as `parse` does.
    """
    if body.count(b",") + body.count(b"\n") > MAX_SEPARATORS:
        raise too_large("The body has too many parts; send fewer at a time.")
    if lines:
        raws = [line for line in body.split(b"\n") if line.strip(b" \t\r")]
        _require_few(len(raws))
        return raws
    try:
        found = _wrapped_raws.decode(body).events if wrapped else _raws.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        shape = f'{{"events": [...]}}: {error}. {_SHAPES}' if wrapped else f"a JSON array: {error}."
        raise malformed(f"The body is not {shape}") from error
    _require_few(len(found))
    return [bytes(raw) for raw in found]


def why_not(error: Exception) -> Why:
    """What the JSON decoder said of one item -> why it is refused."""
    said = without_secrets(str(error))[:DETAIL_CHARACTERS]
    if not isinstance(error, msgspec.ValidationError):
        return Why("malformed_json", said)
    if "unknown field" in said:
        return Why("unknown_field", said)
    if "missing required field" in said:
        return Why("missing_field", said)
    at = _FIELD.search(str(error))
    return Why(f"invalid_{at[1]}" if at else "not_an_object", said)


def _decode(body: bytes, lines: bool) -> list[Event]:
    if lines:
        return _event.decode_lines(body)
    return _wrapped.decode(body).events if _is_object(body) else _events.decode(body)


def _is_object(body: bytes) -> bool:
    return _OBJECT.match(body) is not None


def _require_few(count: int) -> None:
    if count > MAX_EVENTS:
        raise too_large(f"A request may have {MAX_EVENTS} items, this one has {count}.")


def _one_by_one(raws: Sequence[bytes]) -> Batch:
    events: list[Event] = []
    places: list[int] = []
    refused: list[Refusal] = []
    for place, raw in enumerate(raws):
        try:
            events.append(_event.decode(raw))
            places.append(place)
        except (msgspec.DecodeError, RecursionError) as error:
            refused.append(Refusal(place, why_not(error), raw))
    return Batch(events, places, refused)
