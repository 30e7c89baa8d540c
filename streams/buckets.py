"""The counting: which events are new, and what each (content, minute) and each content now amounts to.

No clients here. The state is a function of the log up to a position: it can be thrown away at any time and loaded again
from the ledger. Whoever drives it loads what `missing` names before calling `count`.
"""

from collections import OrderedDict
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from streams.cells import Cells, Codes, Figures
from streams.index import Flags, Index, Rows, Words
from streams.seen import Seen

Minutes = npt.NDArray[np.int64]

MAX_BYTES: Final = 1 << 30
"""Half of it for open minutes (24 to 48 bytes an id), a quarter for the contents that were touched, a quarter for those
that the ledger knew. What contents take beyond their quarter, as arrays double, the minutes leave to them. While an
array grows, the old one and the new one are there for a moment."""
BYTES_A_KNOWN_CONTENT: Final = 96
BYTES_A_MINUTE: Final = 2_500
"""What the objects of a minute take, beside what is in their arrays."""
_SHORT: Final = np.iinfo(np.uint16).max
"""Numbers up to this one are put in order without being compared."""


@dataclass(frozen=True)
class Batch:
    """Events in log order: columns of equal length n."""

    content: Words
    """(n, 4): organization high and low, content high and low"""
    id: Words
    """(n, 2): high and low"""
    code: Codes
    robot: Flags
    value: Words

    @cached_property
    def minute(self) -> Minutes:
        """Unix minutes, from the ids."""
        return ((self.id[:, 0] >> np.uint64(16)) // np.uint64(60_000)).astype(np.int64)

    @cached_property
    def minutes(self) -> list[tuple[int, Rows]]:
        """Each minute that occurs and the places of its events, in log order."""
        if len(self.minute) == 0:
            return []
        since = self.minute - self.minute.min()
        order = np.argsort(since.astype(np.uint16) if since.max() <= _SHORT else since, kind="stable")
        ordered = self.minute[order]
        cuts = np.flatnonzero(np.diff(ordered)) + 1
        return [(int(ordered[first]), part) for first, part in zip([0, *cuts], np.split(order, cuts), strict=True)]


@dataclass(frozen=True)
class Places:
    """Where the n events of a batch belong."""

    content: Rows
    """(n): rows of the contents"""
    buckets: list[tuple[int, Rows, Rows]]
    """per minute: (minute, the places of its events in the batch, the rows of their buckets)"""


@dataclass(frozen=True)
class Missing:
    """What must be loaded from the ledger first: totals of (m, 4) contents, events of k (content, minute) buckets."""

    contents: Words
    bucket_contents: Words
    bucket_minutes: Minutes
    places: Places
    """with which the batch is counted then"""


@dataclass(frozen=True)
class Counted:
    """What a batch changed. Owners in `minutes` are rows of `buckets`, owners in `totals` rows of `contents`."""

    fresh: Flags
    """(n): counted now, for the first time"""
    content: Rows
    """(n): the row of each event's content"""
    changed: list[tuple[int, Words, Figures]]
    """per minute: (minute, (cells, 4) contents of the figures' rows, changed cells as they now stand)"""
    buckets: list[tuple[int, Words, Rows, Figures]]
    """per minute: (minute, (k, 4) contents, their owner rows, every cell of them)"""
    contents: Words
    """(m, 4): pieces whose totals changed"""
    content_rows: Rows
    totals: Figures
    """every cell of them"""


class _Slice:
    """One minute: the ids that were seen in it, and the counts of each piece."""

    def __init__(self, minute: int) -> None:
        self.seen = Seen(minute)
        self.cells = Cells()
        self._buckets = Index(1)

    @property
    def nbytes(self) -> int:
        return BYTES_A_MINUTE + self.seen.nbytes + self.cells.nbytes + self._buckets.nbytes

    def buckets(self, contents: Rows) -> tuple[Rows, Flags]:
        """Rows of contents -> those of their buckets, and which of these were not held before."""
        return self._buckets.find_or_add(contents.view(np.uint64).reshape(-1, 1))

    def contents(self, buckets: Rows) -> Rows:
        """Rows of buckets -> those of their contents."""
        contents: Rows = self._buckets.keys[buckets, 0].view(np.int64)
        return contents

    def count(self, events: Batch, part: Rows, bucket: Rows) -> tuple[Rows, Figures, Figures]:
        """Some events of a batch and their buckets -> the places of the new ones, and what `Cells.add` answers."""
        fresh = self.seen.add(bucket, events.id, part)
        new = part[fresh]
        ones, robots = np.ones(len(new), np.uint64), events.robot[new].astype(np.uint64)
        return new, *self.cells.add(Figures(bucket[fresh], events.code[new], ones, robots, events.value[new]))


class Buckets:
    """The open buckets and the totals of the contents that were touched.

    `known_from`: the first minute of which the ledger held nothing when this began. `in_ledger`: (m, 4) contents that
    the ledger knew then; None where that is not known, so that every piece is looked up.
    """

    def __init__(self, known_from: int, in_ledger: Words | None, *, max_bytes: int = MAX_BYTES) -> None:
        self._known_from = known_from
        self._evicted_to = -1
        self._ledger: Index | None = None
        if in_ledger is not None:
            self._ledger = Index(4)
            self._ledger.find_or_add(in_ledger)
        self._contents = Index(4)
        self._old = np.zeros(0, np.bool_)
        self._totals = Cells()
        self._slices: OrderedDict[int, _Slice] = OrderedDict()
        self._max_bytes = max_bytes

    @property
    def is_full(self) -> bool:
        """So many contents were touched that it is time to begin anew."""
        return self._of_contents > self._max_bytes // 4

    @property
    def nbytes(self) -> int:
        """The memory that all of it takes: after `count` within the bound, or it is one minute that takes more."""
        return self._of_known + self._of_contents + self._of_minutes

    @property
    def _of_known(self) -> int:
        return self._ledger.nbytes if self._ledger else 0

    @property
    def _of_contents(self) -> int:
        return self._contents.nbytes + self._totals.nbytes + self._old.nbytes

    @property
    def _of_minutes(self) -> int:
        return sum(part.nbytes for part in self._slices.values())

    def missing(self, batch: Batch) -> Missing:
        """What a batch needs that is not held; load all of it, then count. Calling it marks it as held."""
        rows, fresh = self._contents.find_or_add(batch.content)
        self._old = np.concatenate((self._old, self._were_in_ledger(batch.content[fresh])))
        contents = batch.content[fresh][self._old[rows[fresh]]]
        of: list[Words] = []
        at: list[int] = []
        buckets: list[tuple[int, Rows, Rows]] = []
        for minute, part in batch.minutes:
            held = self._slices.get(minute) or self._slices.setdefault(minute, _Slice(minute))
            self._slices.move_to_end(minute)
            bucket, opened = held.buckets(rows[part])
            buckets.append((minute, part, bucket))
            if minute <= self._evicted_to:
                needed = opened
            elif minute < self._known_from:
                needed = opened & self._old[rows[part]]
            else:
                continue
            of.append(batch.content[part][needed])
            at.extend([minute] * int(needed.sum()))
        stacked = np.concatenate(of) if of else np.empty((0, 4), np.uint64)
        return Missing(contents, stacked, np.array(at, np.int64), Places(rows, buckets))

    def load_totals(self, content: Words, code: Codes, sums: Words) -> None:
        """Totals from the ledger; `sums` is (k, 3): count, robots, value."""
        owner = self._contents.find(content)
        self._totals.put(Figures(owner, code, sums[:, 0], sums[:, 1], sums[:, 2]))

    def load_events(self, events: Batch) -> None:
        """The ledger's events of the missing buckets."""
        rows = self._contents.find(events.content)
        for minute, part in events.minutes:
            held = self._slices[minute]
            held.count(events, part, held.buckets(rows[part])[0])

    def count(self, batch: Batch, places: Places) -> Counted:
        """Count what is new. The same events again, in any batches, change nothing."""
        fresh = np.zeros(len(places.content), np.bool_)
        changed: list[tuple[int, Words, Figures]] = []
        buckets: list[tuple[int, Words, Rows, Figures]] = []
        touched = [np.empty(0, np.int64)]
        for minute, part, bucket in places.buckets:
            held = self._slices[minute]
            new, cells, grown = held.count(batch, part, bucket)
            fresh[new] = True
            if len(new):
                owners, of = _each(cells.owner), held.contents(cells.owner)
                changed.append((minute, self._contents.keys[of], cells))
                buckets.append((minute, self._contents.keys[held.contents(owners)], owners, held.cells.of(owners)))
                self._totals.add(replace(grown, owner=of))
                touched.append(of)
        rows = _each(np.concatenate(touched))
        self._evict()
        return Counted(fresh, places.content, changed, buckets, self._contents.keys[rows], rows, self._totals.of(rows))

    def _were_in_ledger(self, contents: Words) -> Flags:
        if self._ledger is None:
            return np.ones(len(contents), np.bool_)
        return self._ledger.find(contents) >= 0

    def _evict(self) -> None:
        """Let go of the minutes that were not touched for longest, until the rest fits; the ledger has them."""
        most = min(self._max_bytes // 2, self._max_bytes - self._of_known - self._of_contents)
        held = self._of_minutes
        while held > most and len(self._slices) > 1:
            minute, oldest = self._slices.popitem(last=False)
            held -= oldest.nbytes
            self._evicted_to = max(self._evicted_to, minute)


def _each(owner: Rows) -> Rows:
    """The owners that occur, once each, in order; they are row numbers, so that marking them beats sorting them."""
    occurs = np.zeros(int(owner.max(initial=-1)) + 1, np.bool_)
    occurs[owner] = True
    return np.flatnonzero(occurs)
