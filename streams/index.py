"""Exact maps from fixed-width keys to dense row numbers, at some tens of nanoseconds a look-up.

The counting keeps its figures in plain arrays; an Index says which row of them a key has. Compiled by numba: a Python
dict would cost more than everything else on the path together.
"""

import secrets
from typing import Any, Final, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
F = TypeVar("F")

_SMALLEST: Final = 8
"""An old minute has an event or two."""
SEED: Final = np.uint64(secrets.randbits(64))
"""Unknown to senders, so that nobody can choose ids that collide."""
_HALF: Final = np.uint64(32)
_ROW: Final = np.uint64(0xFFFFFFFF)
"""A slot is 0, or the upper half of the key's hash and, below it, the key's row and 1."""


def compiled(function: F) -> F:
    """The function as machine code, kept on disk between runs, not holding the interpreter's lock."""
    compile_it: Any = numba.njit(cache=True, nogil=True)
    return cast("F", compile_it(function))


@compiled
def hash_of(key: Any, seed: Any) -> Any:
    """A key's words -> 64 bits."""
    mixed = seed
    for word in key:
        mixed = (mixed ^ word) * np.uint64(0xFF51AFD7ED558CCD)
        mixed ^= mixed >> np.uint64(32)
    mixed *= np.uint64(0xC4CEB9FE1A85EC53)
    return mixed ^ (mixed >> np.uint64(29))


@compiled
def home(hashed: Any, slots: Any) -> Any:
    """Where the search for a hash begins: in the order of hashes, so that a wider table is filled in order."""
    return (hashed >> _HALF) * np.uint64(slots) >> _HALF


@compiled
def _place(slots: Any, keys: Any, key: Any, hashed: Any) -> Any:
    mask = np.uint64(len(slots) - 1)
    at = home(hashed, len(slots))
    while slots[at] != 0:
        if (slots[at] ^ hashed) >> _HALF == 0:
            row = np.int64(slots[at] & _ROW) - 1
            same = True
            for word in range(keys.shape[1]):
                same = same and keys[row, word] == key[word]
            if same:
                return row, at
        at = (at + np.uint64(1)) & mask
    return -1, at


@compiled
def _find(slots: Any, keys: Any, probe: Any, seed: Any, rows: Any) -> None:
    for i in range(len(probe)):
        rows[i], _ = _place(slots, keys, probe[i], hash_of(probe[i], seed))


@compiled
def _find_or_add(slots: Any, keys: Any, size: Any, probe: Any, seed: Any, rows: Any, fresh: Any, first: Any) -> Any:
    for i in range(first, len(probe)):
        hashed = hash_of(probe[i], seed)
        row, at = _place(slots, keys, probe[i], hashed)
        fresh[i] = row < 0
        if row < 0:
            if size == len(keys):
                return i, size
            row = size
            for word in range(keys.shape[1]):
                keys[row, word] = probe[i, word]
            size += 1
            slots[at] = (hashed & ~_ROW) | np.uint64(size)
        rows[i] = row
    return len(probe), size


@compiled
def _rehash(slots: Any, wider: Any) -> None:
    mask = np.uint64(len(wider) - 1)
    for slot in slots:
        if slot != 0:
            at = home(slot, len(wider))
            while wider[at] != 0:
                at = (at + np.uint64(1)) & mask
            wider[at] = slot


class Index:
    """Keys of `width` 64-bit words -> rows 0, 1, 2, ... in the order in which the keys first came."""

    def __init__(self, width: int) -> None:
        self._keys: Words = np.empty((_SMALLEST // 2, width), np.uint64)
        self._slots: Words = np.zeros(_SMALLEST, np.uint64)
        self.size = 0

    @property
    def keys(self) -> Words:
        """(size, width): the key of each row."""
        return self._keys[: self.size]

    @property
    def nbytes(self) -> int:
        """The memory that it holds."""
        return self._keys.nbytes + self._slots.nbytes

    def find(self, probe: Words) -> Rows:
        """(n, width) keys -> their rows, -1 for a key that is not held."""
        rows = np.empty(len(probe), np.int64)
        _find(self._slots, self._keys, probe, SEED, rows)
        return rows

    def find_or_add(self, probe: Words) -> tuple[Rows, Flags]:
        """(n, width) keys -> their rows, and which of the n were not held before (of equal keys only the first)."""
        rows, fresh = np.empty(len(probe), np.int64), np.empty(len(probe), np.bool_)
        done = 0
        while True:
            done, self.size = _find_or_add(self._slots, self._keys, self.size, probe, SEED, rows, fresh, done)
            if done == len(probe):
                return rows, fresh
            self._double()

    def _double(self) -> None:
        keys, slots = self._keys, self._slots
        self._keys = np.empty((2 * len(keys), keys.shape[1]), np.uint64)
        self._keys[: len(keys)] = keys
        self._slots = np.zeros(2 * len(slots), np.uint64)
        _rehash(slots, self._slots)
