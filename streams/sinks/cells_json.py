"""Cells -> their JSON, by the hundred thousand: what readers of the counters find in Redis."""

from itertools import pairwise
from typing import Any, Final

import numpy as np

from streams.cells import Codes, Figures
from streams.envelopes import Platforms
from streams.index import Rows, Words, compiled
from wire.events import KINDS

_DIGITS: Final = 20
"""The most that 64 bits need."""
_MARKS: Final = 6
"""A cell's brackets and commas."""

_ZERO, _COMMA, _OPEN, _CLOSE = (np.uint8(ord(mark)) for mark in "0,[]")


@compiled
def _number(out: Any, at: Any, number: Any) -> Any:
    first = at
    while True:
        out[at] = _ZERO + np.uint8(number % np.uint64(10))
        at += 1
        number //= np.uint64(10)
        if number == 0:
            break
    last = at - 1
    while first < last:
        out[first], out[last] = out[last], out[first]
        first += 1
        last -= 1
    return at


@compiled
def _write(owner: Any, name: Any, numbers: Any, names: Any, starts: Any, out: Any, owners: Any, ends: Any) -> Any:
    at, group = 0, 0
    for i in range(len(owner)):
        if i == 0 or owner[i] != owner[i - 1]:
            owners[group] = owner[i]
            out[at] = _OPEN
        else:
            at -= 1
            out[at] = _COMMA
            group -= 1
        at += 1
        for place in range(starts[name[i]], starts[name[i] + 1]):
            out[at] = names[place]
            at += 1
        for column in range(3):
            out[at] = _COMMA
            at = _number(out, at + 1, numbers[i, column])
        out[at] = _CLOSE
        out[at + 1] = _CLOSE
        at += 2
        ends[group] = at
        group += 1
    return group


def encoded(figures: Figures, platforms: Platforms) -> tuple[Rows, list[bytes]]:
    """Figures grouped by owner -> the owners, and the cells of each as `wire.counters` has them."""
    size = len(figures.owner)
    used, name = _names(figures.code)
    texts = [f'["{platforms.names[code >> 8]}","{KINDS[code & 0xFF]}"'.encode() for code in used]
    starts = np.cumsum([0, *map(len, texts)])
    numbers: Words = np.column_stack((figures.count, figures.robots, figures.value))
    longest = max(map(len, texts), default=0) + 3 * _DIGITS + _MARKS
    out = np.empty(size * longest, np.uint8)
    owners, ends = np.empty(size, np.int64), np.empty(size, np.int64)
    groups = _write(figures.owner, name, numbers, np.frombuffer(b"".join(texts), np.uint8), starts, out, owners, ends)
    cuts = [0, *ends[:groups].tolist()]
    text = out[: cuts[-1]].tobytes()
    return owners[:groups], [text[start:end] for start, end in pairwise(cuts)]


def _names(code: Codes) -> tuple[list[int], Rows]:
    """The codes that occur, and the place of each given code among them."""
    seen = np.zeros(int(code.max(initial=0)) + 1, np.bool_)
    seen[code] = True
    used = np.flatnonzero(seen)
    place = np.zeros(len(seen), np.int64)
    place[used] = np.arange(len(used))
    return used.tolist(), place[code]
