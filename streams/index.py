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
_SEED: Final = np.uint64(secrets.randbits(64))
"""Unknown to senders, so that nobody can choose ids that collide."""


def compiled(function: F) -> F:
    """The function as machine code, kept on disk between runs, not holding the interpreter's lock."""
    compile_it: Any = numba.njit(cache=True, nogil=True)
    return cast("F", compile_it(function))


@compiled
def _hash(key: Any, seed: Any) -> Any:
    mixed = seed
    for word in key:
        mixed = (mixed ^ word) * np.uint64(0xFF51AFD7ED558CCD)
        mixed ^= mixed >> np.uint64(32)
    mixed *= np.uint64(0xC4CEB9FE1A85EC53)
    return mixed ^ (mixed >> np.uint64(29))


@compiled
def _find(slots: Any, keys: Any, probe: Any, seed: Any, rows: Any) -> None:
    mask = np.uint64(len(slots) - 1)
    width = keys.shape[1]
    for i in range(len(probe)):
        hashed = _hash(probe[i], seed)
        tag = hashed & np.uint64(0xFFFFFFFF00000000)
        at = hashed & mask
        rows[i] = -1
        while slots[at] != 0:
            if slots[at] & np.uint64(0xFFFFFFFF00000000) == tag:
                row = np.int64(slots[at] & np.uint64(0xFFFFFFFF)) - 1
                same = True
                for word in range(width):
                    same = same and keys[row, word] == probe[i, word]
                if same:
                    rows[i] = row
                    break
            at = (at + np.uint64(1)) & mask


@compiled
def _find_or_add(slots: Any, keys: Any, size: Any, probe: Any, seed: Any, rows: Any, fresh: Any) -> Any:
    mask = np.uint64(len(slots) - 1)
    width = keys.shape[1]
    for i in range(len(probe)):
        hashed = _hash(probe[i], seed)
        tag = hashed & np.uint64(0xFFFFFFFF00000000)
        at = hashed & mask
        found = False
        while slots[at] != 0:
            if slots[at] & np.uint64(0xFFFFFFFF00000000) == tag:
                row = np.int64(slots[at] & np.uint64(0xFFFFFFFF)) - 1
                same = True
                for word in range(width):
                    same = same and keys[row, word] == probe[i, word]
                if same:
                    rows[i] = row
                    found = True
                    break
            at = (at + np.uint64(1)) & mask
        fresh[i] = not found
        if not found:
            for word in range(width):
                keys[size, word] = probe[i, word]
            rows[i] = size
            size += 1
            slots[at] = tag | np.uint64(size)
    return size


@compiled
def _rehash(slots: Any, keys: Any, size: Any, seed: Any) -> None:
    mask = np.uint64(len(slots) - 1)
    for row in range(size):
        hashed = _hash(keys[row], seed)
        at = hashed & mask
        while slots[at] != 0:
            at = (at + np.uint64(1)) & mask
        slots[at] = (hashed & np.uint64(0xFFFFFFFF00000000)) | np.uint64(row + 1)


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
        _find(self._slots, self._keys, probe, _SEED, rows)
        return rows

    def find_or_add(self, probe: Words) -> tuple[Rows, Flags]:
        """(n, width) keys -> their rows, and which of the n were not held before (of equal keys only the first)."""
        self._make_room(self.size + len(probe))
        rows, fresh = np.empty(len(probe), np.int64), np.empty(len(probe), np.bool_)
        self.size = int(_find_or_add(self._slots, self._keys, self.size, probe, _SEED, rows, fresh))
        return rows, fresh

    def _make_room(self, size: int) -> None:
        if size > len(self._keys):
            keys = np.empty((max(size, 2 * len(self._keys)), self._keys.shape[1]), np.uint64)
            keys[: self.size] = self.keys
            self._keys = keys
        if 2 * size > len(self._slots):
            self._slots = np.zeros(1 << (2 * size - 1).bit_length(), np.uint64)
            _rehash(self._slots, self._keys, self.size, _SEED)
