"""Columns of UUIDs: Arrow's 16 bytes <-> the two 64-bit words that the counting works on."""

from typing import Any, Final

import numpy as np
import pyarrow as pa

from streams.index import Words, compiled

_EIGHTS: Final = np.uint64(0x00FF00FF00FF00FF)
_SIXTEENTHS: Final = np.uint64(0x0000FFFF0000FFFF)
_8, _16, _32 = (np.uint64(bits) for bits in (8, 16, 32))


def words(*columns: pa.Array | pa.ChunkedArray) -> Words:
    """Arrow columns of n UUIDs each -> (n, 2 for each column): their high and low words."""
    of = np.empty((len(columns[0]), 2 * len(columns)), np.uint64)
    for at, each in enumerate(columns):
        array = each.combine_chunks() if isinstance(each, pa.ChunkedArray) else each
        if len(array):
            raw = np.frombuffer(array.buffers()[1], np.uint64, 2 * len(array), 16 * array.offset)
            _turn(raw.reshape(-1, 2), of, 2 * at)
    return of


@compiled
def _turn(raw: Any, out: Any, first: Any) -> None:
    for i in range(len(raw)):
        for word in range(2):
            turned = raw[i, word]
            turned = turned >> _8 & _EIGHTS | (turned & _EIGHTS) << _8
            turned = turned >> _16 & _SIXTEENTHS | (turned & _SIXTEENTHS) << _16
            out[i, first + word] = turned >> _32 | turned << _32


def column(of: Words) -> pa.FixedSizeBinaryArray:
    """(n, 2) words -> an Arrow column of n UUIDs."""
    raw = pa.py_buffer(np.ascontiguousarray(of).astype(">u8").tobytes())
    return pa.Array.from_buffers(pa.binary(16), len(of), [None, raw])
