"""Counts per (owner, platform, kind) in plain arrays; an owner is a piece, or a piece in one minute."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.index import Flags, Index, Rows, Words, compiled

Codes = npt.NDArray[np.uint64]
"""platform code << 8 | kind code"""


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
def _add(rows: Any, robot: Any, value: Any, sums: Any, stamps: Any, stamp: Any, touched: Any) -> Any:
    size = 0
    for i in range(len(rows)):
        row = rows[i]
        sums[row, 0] += np.uint64(1)
        if robot[i]:
            sums[row, 1] += np.uint64(1)
        sums[row, 2] += value[i]
        if stamps[row] != stamp:
            stamps[row] = stamp
            touched[size] = row
            size += 1
    return size


@compiled
def _walk(owners: Any, heads: Any, nexts: Any, rows: Any, owner_of: Any) -> Any:
    size = 0
    for i in range(len(owners)):
        row = heads[owners[i]]
        while row >= 0:
            if size < len(rows):
                rows[size] = row
                owner_of[size] = owners[i]
            size += 1
            row = nexts[row]
    return size


class Cells:
    """Absolute counts that only grow."""

    def __init__(self) -> None:
        self._index = Index(2)
        self._sums: Words = np.zeros((0, 3), np.uint64)
        self._nexts: Rows = np.empty(0, np.int64)
        self._stamps: Words = np.zeros(0, np.uint64)
        self._heads: Rows = np.empty(0, np.int64)
        self._stamp = 0

    @property
    def nbytes(self) -> int:
        """The memory that they hold."""
        arrays = (self._sums, self._nexts, self._stamps, self._heads)
        return self._index.nbytes + sum(array.nbytes for array in arrays)

    def add(self, owner: Rows, code: Codes, robot: Flags, value: Words) -> Figures:
        """Count one event in each of the n given cells; answers the changed cells, once each, as they stand."""
        rows = self._rows(owner, code)
        touched = np.empty(len(rows), np.int64)
        self._stamp += 1
        size = _add(rows, robot, value, self._sums, self._stamps, np.uint64(self._stamp), touched)
        return self._figures(touched[:size])

    def put(self, figures: Figures) -> None:
        """Take over figures that were counted elsewhere."""
        rows = self._rows(figures.owner, figures.code)
        self._sums[rows] = np.column_stack((figures.count, figures.robots, figures.value))

    def of(self, owners: Rows) -> Figures:
        """All cells of the given owners (each given once, and counted before), grouped by owner in the order given."""
        rows, owner_of = np.empty(4 * len(owners), np.int64), np.empty(4 * len(owners), np.int64)
        size = _walk(owners, self._heads, self._nexts, rows, owner_of)
        if size > len(rows):
            rows, owner_of = np.empty(size, np.int64), np.empty(size, np.int64)
            _walk(owners, self._heads, self._nexts, rows, owner_of)
        return self._figures(rows[:size])

    def _figures(self, rows: Rows) -> Figures:
        keys, sums = self._index.keys[rows], self._sums[rows]
        return Figures(keys[:, 0].astype(np.int64), keys[:, 1], sums[:, 0], sums[:, 1], sums[:, 2])

    def _rows(self, owner: Rows, code: Codes) -> Rows:
        rows, fresh = self._index.find_or_add(np.column_stack((owner.astype(np.uint64), code)))
        self._sums = _grown(self._sums, self._index.size, 0)
        self._nexts = _grown(self._nexts, self._index.size, -1)
        self._stamps = _grown(self._stamps, self._index.size, 0)
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
