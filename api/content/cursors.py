"""Cursors: where a page ended, as a word that means nothing to whoever passes it on. Pure."""

import base64
import binascii
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec


class Position(NamedTuple):
    """A piece's place in an order: what it was ordered by, and its id."""

    key: datetime | float
    id: UUID


class _Cursor(msgspec.Struct, frozen=True, array_like=True):
    sort: str
    key: datetime | float
    id: UUID


_read = msgspec.json.Decoder(_Cursor)


def cursor_of(sort: str, position: Position) -> str:
    """A position in this order, as a cursor."""
    packed = msgspec.json.encode(_Cursor(sort, *position))
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def position_of(cursor: str, sort: str) -> Position:
    """The position of a cursor. Raises ValueError for one that was not made in this order."""
    try:
        found = _read.decode(base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True))
    except (binascii.Error, msgspec.MsgspecError, UnicodeError) as error:
        raise ValueError("the cursor is none of ours; begin without one") from error
    if found.sort != sort or not _fits(found.key, sort):
        raise ValueError("the cursor is of another order; begin without one")
    return Position(found.key, found.id)


def _fits(key: datetime | float, sort: str) -> bool:
    """Whether this can be compared with what the order is of: a time with a zone, or a number."""
    if isinstance(key, datetime):
        return sort.endswith("_at") and key.tzinfo is not None
    return not sort.endswith("_at")
