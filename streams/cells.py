"""Counts per (owner, platform, kind) in plain arrays; an owner is a piece, or a piece in one minute."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from streams.index import Index, Rows, Words, compiled

Codes = npt.NDArray[np.uint64]
"""platform code << 8 | kind code"""

_OWNER: Final = np.uint64(32)
_CODE: Final = np.uint64(0xFFFFFFFF)
"""A cell's key is its owner and, below it, its code."""


@dataclass(frozen=True)
class Figures:
    """What is known of some cells: columns of equal length. `count` includes `robots`; `value` in thousandths."""

    owner: Rows
    code: Codes
    count: Words
    robots: Words
    value: Words


@compiled
def _link(rows: Any, fresh: Any, owners: Any, heads: Any, nexts: Any) -> None:
    for i in range(len(rows)):
        if fresh[i]:
            nexts[rows[i]] = heads[owners[i]]
            heads[owners[i]] = rows[i]


@compiled
def _add(rows: Any, count: Any, robots: Any, value: Any, sums: Any, stamp: Any, touched: Any, before: Any) -> Any:
    size = 0
    for i in range(len(rows)):
        row = rows[i]
        if sums[row, 3] != stamp:
            sums[row, 3] = stamp
            touched[size] = row
            for column in range(3):
                before[size, column] = sums[row, column]
            size += 1
        sums[row, 0] += count[i]
        sums[row, 1] += robots[i]
        sums[row, 2] += value[i]
    return size


@compiled
def _read(rows: Any, keys: Any, sums: Any, owner: Any, code: Any, count: Any, robots: Any, value: Any) -> None:
    for i in range(len(rows)):
        key = keys[rows[i], 0]
        owner[i], code[i] = key >> _OWNER, key & _CODE
        count[i], robots[i], value[i] = sums[rows[i], 0], sums[rows[i], 1], sums[rows[i], 2]


@compiled
def _walk(owners: Any, heads: Any, nexts: Any, rows: Any) -> Any:
    size = 0
    for i in range(len(owners)):
        row = heads[owners[i]]
        while row >= 0:
            if size < len(rows):
                rows[size] = row
            size += 1
            row = nexts[row]
    return size


class Cells:
    """Absolute counts that only grow."""

    def __init__(self) -> None:
        self._index = Index(1)
        self._sums: Words = np.zeros((0, 4), np.uint64)
        """(cells, 4): count, robots, value, and the last `add` that touched it"""
        self._nexts: Rows = np.empty(0, np.int64)
        self._heads: Rows = np.empty(0, np.int64)
        self._stamp = 0

    @property
    def nbytes(self) -> int:
        """The memory that they hold."""
        arrays = (self._sums, self._nexts, self._heads)
        return self._index.nbytes + sum(array.nbytes for array in arrays)

    def add(self, more: Figures) -> tuple[Figures, Figures]:
        """Add to cells, given any number of times; answers each of them once: as it stands, and what it grew by."""
        rows = self._rows(more.owner, more.code)
        touched, before = np.empty(len(rows), np.int64), np.empty((len(rows), 3), np.uint64)
        self._stamp += 1
        stamp = np.uint64(self._stamp)
        size = _add(rows, more.count, more.robots, more.value, self._sums, stamp, touched, before)
        now, was = self._figures(touched[:size]), before[:size]
        count, robots, value = now.count - was[:, 0], now.robots - was[:, 1], now.value - was[:, 2]
        return now, Figures(now.owner, now.code, count, robots, value)

    def put(self, figures: Figures) -> None:
        """Take over figures that were counted elsewhere."""
        rows = self._rows(figures.owner, figures.code)
        self._sums[rows, :3] = np.column_stack((figures.count, figures.robots, figures.value))

    def of(self, owners: Rows) -> Figures:
        """All cells of the given owners (each given once, and counted before), grouped by owner in the order given."""
        rows = np.empty(4 * len(owners), np.int64)
        size = _walk(owners, self._heads, self._nexts, rows)
        if size > len(rows):
            rows = np.empty(size, np.int64)
            _walk(owners, self._heads, self._nexts, rows)
        return self._figures(rows[:size])

    def _figures(self, rows: Rows) -> Figures:
        owner, (code, count, robots, value) = np.empty(len(rows), np.int64), np.empty((4, len(rows)), np.uint64)
        _read(rows, self._index.keys, self._sums, owner, code, count, robots, value)
        return Figures(owner, code, count, robots, value)

    def _rows(self, owner: Rows, code: Codes) -> Rows:
        rows, fresh = self._index.find_or_add((owner.astype(np.uint64) << _OWNER | code).reshape(-1, 1))
        self._sums = _grown(self._sums, self._index.size, 0)
        self._nexts = _grown(self._nexts, self._index.size, -1)
        if len(owner):
            self._heads = _grown(self._heads, int(owner.max()) + 1, -1)
        _link(rows, fresh, owner, self._heads, self._nexts)
        return rows


def _grown(array: npt.NDArray[Any], size: int, fill: int) -> npt.NDArray[Any]:
    if size <= len(array):
        return array
    grown = np.full((max(size, 2 * len(array), 4), *array.shape[1:]), fill, array.dtype)
    grown[: len(array)] = array
    return grown
