"""Columns of UUIDs: Arrow's 16 bytes <-> the two 64-bit words that the counting works on."""

import numpy as np
import pyarrow as pa

from streams.index import Words


def words(column: pa.Array | pa.ChunkedArray) -> Words:
    """An Arrow column of n UUIDs -> (n, 2): high and low words."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if len(array) == 0:
        return np.empty((0, 2), np.uint64)
    raw = np.frombuffer(array.buffers()[1], np.uint8, 16 * len(array), 16 * array.offset)
    return raw.view(">u8").astype(np.uint64).reshape(-1, 2)


def column(of: Words) -> pa.FixedSizeBinaryArray:
    """(n, 2) words -> an Arrow column of n UUIDs."""
    raw = pa.py_buffer(np.ascontiguousarray(of).astype(">u8").tobytes())
    return pa.Array.from_buffers(pa.binary(16), len(of), [None, raw])
