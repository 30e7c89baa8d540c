"""The ids that were seen in one minute: whether an event was there before, exactly.

A row of the table is empty (0, 0), or an id: its bucket's row and 1, what its high word has above the minute's first
(less than 2^32, since that word ends in 16 bits below the milliseconds), and its low word. So an id takes 16 bytes, and
a look-up one place in memory.
"""

from typing import Any, Final

import numpy as np

from streams.index import SEED, Flags, Rows, Words, compiled, hash_of, home

_SMALLEST: Final = 8
_HALF: Final = np.uint64(32)


@compiled
def _see(table: Any, size: Any, bucket: Any, ids: Any, part: Any, above: Any, seed: Any, fresh: Any, first: Any) -> Any:
    mask = np.uint64(len(table) - 1)
    key = np.empty(2, np.uint64)
    for i in range(first, len(part)):
        if 3 * size > 2 * len(table):
            return i, size
        key[0] = np.uint64(bucket[i] + 1) << _HALF | (ids[part[i], 0] - above)
        key[1] = ids[part[i], 1]
        at = home(hash_of(key, seed), len(table))
        while table[at, 0] != 0 and (table[at, 0] != key[0] or table[at, 1] != key[1]):
            at = (at + np.uint64(1)) & mask
        fresh[i] = table[at, 0] == 0
        if fresh[i]:
            table[at, 0], table[at, 1] = key[0], key[1]
            size += 1
    return len(part), size


@compiled
def _rehash(table: Any, wider: Any, seed: Any) -> None:
    mask = np.uint64(len(wider) - 1)
    for row in range(len(table)):
        if table[row, 0] != 0:
            at = home(hash_of(table[row], seed), len(wider))
            while wider[at, 0] != 0:
                at = (at + np.uint64(1)) & mask
            wider[at, 0], wider[at, 1] = table[row, 0], table[row, 1]


class Seen:
    """A set of (bucket, id) of one minute."""

    def __init__(self, minute: int) -> None:
        self._above = np.uint64(minute * 60_000 << 16)
        self._table: Words = np.zeros((_SMALLEST, 2), np.uint64)
        self._size = 0

    @property
    def nbytes(self) -> int:
        """The memory that it holds."""
        return self._table.nbytes

    def add(self, bucket: Rows, ids: Words, part: Rows) -> Flags:
        """The (n) buckets of the ids at the places `part` -> which of the n were not seen before (of equal ones: the
        first)."""
        fresh, done = np.empty(len(part), np.bool_), 0
        while True:
            done, self._size = _see(self._table, self._size, bucket, ids, part, self._above, SEED, fresh, done)
            if done == len(part):
                return fresh
            most = 3 * (self._size + len(part) - done) // 2
            table, self._table = self._table, np.zeros((1 << most.bit_length(), 2), np.uint64)
            _rehash(table, self._table, SEED)
