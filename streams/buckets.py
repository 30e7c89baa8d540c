"""The counting: which events are new, and what each (content, minute) and each content now amounts to.

No clients here. The state is a function of the log up to a position: it can be thrown away at any time and loaded again
from the ledger. Whoever drives it loads what `missing` names before calling `count`.
"""

from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from streams.cells import Cells, Codes, Figures
from streams.index import Flags, Index, Rows, Words

Minutes = npt.NDArray[np.int64]

MAX_BYTES: Final = 1 << 30
"""Half of it for open minutes (some 80 bytes an id), a quarter for the contents that were touched, a quarter for those
that the ledger knew. What contents take beyond their quarter, as arrays double, the minutes leave to them. While an
array grows, the old one and the new one are there for a moment."""
BYTES_A_KNOWN_CONTENT: Final = 96
BYTES_A_MINUTE: Final = 2_500
"""What the objects of a minute take, beside what is in their arrays."""


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
        order = np.argsort(self.minute, kind="stable")
        ordered = self.minute[order]
        cuts = np.flatnonzero(np.diff(ordered)) + 1
        return [(int(ordered[first]), part) for first, part in zip([0, *cuts], np.split(order, cuts), strict=True)]


@dataclass(frozen=True)
class Missing:
    """What must be loaded from the ledger first: totals of (m, 4) contents, events of k (content, minute) buckets."""

    contents: Words
    bucket_contents: Words
    bucket_minutes: Minutes


@dataclass(frozen=True)
class Counted:
    """What a batch changed. Owners in `minutes` are rows of `buckets`, owners in `totals` rows of `contents`."""

    fresh: Flags
    """(n): counted now, for the first time"""
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

    def __init__(self) -> None:
        self.ids = Index(3)
        self.buckets = Index(1)
        self.cells = Cells()

    @property
    def nbytes(self) -> int:
        return BYTES_A_MINUTE + self.ids.nbytes + self.buckets.nbytes + self.cells.nbytes


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
        for minute, part in batch.minutes:
            held = self._slices.get(minute) or self._slices.setdefault(minute, _Slice())
            self._slices.move_to_end(minute)
            mine = rows[part]
            _, opened = held.buckets.find_or_add(mine.astype(np.uint64).reshape(-1, 1))
            if minute <= self._evicted_to:
                needed = opened
            elif minute < self._known_from:
                needed = opened & self._old[mine]
            else:
                continue
            of.append(batch.content[part][needed])
            at.extend([minute] * int(needed.sum()))
        stacked = np.concatenate(of) if of else np.empty((0, 4), np.uint64)
        return Missing(contents, stacked, np.array(at, np.int64))

    def load_totals(self, content: Words, code: Codes, sums: Words) -> None:
        """Totals from the ledger; `sums` is (k, 3): count, robots, value."""
        owner = self._contents.find(content)
        self._totals.put(Figures(owner, code, sums[:, 0], sums[:, 1], sums[:, 2]))

    def load_events(self, events: Batch) -> None:
        """The ledger's events of the missing buckets."""
        rows = self._contents.find(events.content)
        for minute, part in events.minutes:
            self._count_minute(self._slices[minute], rows, events, part)

    def count(self, batch: Batch) -> Counted:
        """Count what is new. The same events again, in any batches, change nothing."""
        rows = self._contents.find(batch.content)
        fresh = np.zeros(len(rows), np.bool_)
        changed: list[tuple[int, Words, Figures]] = []
        buckets: list[tuple[int, Words, Rows, Figures]] = []
        for minute, part in batch.minutes:
            held = self._slices[minute]
            new, cells = self._count_minute(held, rows, batch, part)
            fresh[new] = True
            if len(new):
                owners = _each(cells.owner)
                changed.append((minute, self._content_of(held, cells.owner), cells))
                buckets.append((minute, self._content_of(held, owners), owners, held.cells.of(owners)))
        touched = self._totals.add(rows[fresh], batch.code[fresh], batch.robot[fresh], batch.value[fresh])
        content_rows = _each(touched.owner)
        contents = self._contents.keys[content_rows]
        self._evict()
        return Counted(fresh, changed, buckets, contents, content_rows, self._totals.of(content_rows))

    def _were_in_ledger(self, contents: Words) -> Flags:
        if self._ledger is None:
            return np.ones(len(contents), np.bool_)
        return self._ledger.find(contents) >= 0

    def _content_of(self, held: _Slice, owners: Rows) -> Words:
        contents: Words = self._contents.keys[held.buckets.keys[owners, 0].astype(np.int64)]
        return contents

    def _count_minute(self, held: _Slice, rows: Rows, events: Batch, part: Rows) -> tuple[Rows, Figures]:
        bucket, _ = held.buckets.find_or_add(rows[part].astype(np.uint64).reshape(-1, 1))
        keys = np.empty((len(part), 3), np.uint64)
        keys[:, 0], keys[:, 1:] = bucket, events.id[part]
        _, fresh = held.ids.find_or_add(keys)
        new = part[fresh]
        return new, held.cells.add(bucket[fresh], events.code[new], events.robot[new], events.value[new])

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
