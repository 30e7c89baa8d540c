"""Whether an audit trail is whole: a pure function over its entries, and over what was noted of it elsewhere."""

import hashlib
import json
from collections.abc import Mapping
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


class Chain:
    """Takes a trail's entries by sequence number; `noted` are hashes by sequence number that were kept elsewhere.

    Whoever rewrites every entry and the head makes a chain that is whole in itself; what was noted tells.
    """

    def __init__(self, noted: Mapping[int, str] | None = None) -> None:
        self._noted = dict(noted or {})
        self._expected = 1
        self._previous = ""

    def add(self, row: Stored) -> Broken | None:
        """What is wrong with the next entry; None for nothing."""
        if row.sequence != self._expected:
            return Broken(self._expected, "removed")
        if hashlib.sha256(row.entry.encode()).hexdigest() != row.hash:
            return Broken(self._expected, "changed")
        said = json.loads(row.entry)
        if (said["sequence"], said["previous_hash"]) != (self._expected, self._previous):
            return Broken(self._expected, "changed, or the one before it was")
        if self._noted.get(self._expected, row.hash) != row.hash:
            return Broken(self._expected, "not the one that was noted: it or one before it was rewritten")
        self._expected, self._previous = self._expected + 1, row.hash
        return None

    def end(self, head: Head | None) -> Broken | None:
        """What is missing at the end. Without a head there may be no entries."""
        if max(self._noted, default=0) >= self._expected:
            return Broken(self._expected, "removed")
        if head is None:
            return Broken(self._expected, "its head is gone") if self._expected > 1 else None
        if head.sequence >= self._expected:
            return Broken(self._expected, "removed")
        whole = head == (self._expected - 1, self._previous)
        return None if whole else Broken(self._expected - 1, "changed, or its head was")
