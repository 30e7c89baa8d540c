"""Whether an audit trail is whole: a pure function over what is stored."""

import hashlib
import json
from collections.abc import Iterable
from typing import NamedTuple


class Stored(NamedTuple):
    """An entry as its row has it; `entry` is the JSON that was hashed."""

    sequence: int
    hash: str
    entry: str


class Head(NamedTuple):
    """The newest sequence number of an organization, and its hash."""

    sequence: int
    hash: str


class Broken(NamedTuple):
    """The first entry that is not what it was."""

    sequence: int
    why: str


def verify(rows: Iterable[Stored], head: Head | None) -> Broken | None:
    """The first entry that was changed or removed, the newest included; None for a whole trail.

    `rows` come by sequence number. Without a head there may be no rows.
    """
    expected, previous = 1, ""
    for row in rows:
        if row.sequence != expected:
            return Broken(expected, "removed")
        if hashlib.sha256(row.entry.encode()).hexdigest() != row.hash:
            return Broken(expected, "changed")
        said = json.loads(row.entry)
        if (said["sequence"], said["previous_hash"]) != (expected, previous):
            return Broken(expected, "changed, or the one before it was")
        expected, previous = expected + 1, row.hash
    return _at_the_end(expected, previous, head)


def _at_the_end(expected: int, previous: str, head: Head | None) -> Broken | None:
    if head is None:
        return Broken(expected, "its head is gone") if expected > 1 else None
    if head.sequence >= expected:
        return Broken(expected, "removed")
    return None if head == (expected - 1, previous) else Broken(expected - 1, "changed, or its head was")
