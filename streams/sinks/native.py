"""Arrow tables -> ClickHouse's Native format: columns as ClickHouse itself holds them.

It reads them for half of what Arrow costs it.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from clickhouse_connect.driver.client import Client

from streams import uuids
from streams.index import compiled

Part = bytes | memoryview

_LONGEST_LENGTH: Final = 5
"""Bytes of a length below 2^31."""
_SHARED_DICTIONARIES: Final = np.uint64(1)
_KEYS_FOLLOW: Final = np.uint64(1 << 9 | 1 << 10)
_INDEXES: Final = (np.uint8, np.uint16, np.uint32)


def insert(clickhouse: Client, name: str, rows: pa.Table) -> None:
    """Insert into the table of that name. The columns are sent from where they are: to put them together first would
    cost as much as to make them."""
    parts: Any = block(rows)  # a generator of bytes, the client's types say; but it sends any that a socket takes
    length = {"Content-Length": str(sum(map(len, parts)))}
    clickhouse.raw_insert(name, rows.column_names, parts, fmt="Native", transport_settings=length)


def block(table: pa.Table) -> list[Part]:
    """A table without NULLs -> one block, in pieces.

    Raises ValueError for a column of a type that is none of `_WRITERS`.
    """
    parts: list[Part] = [_length(table.num_columns) + _length(table.num_rows)]
    for name, column in zip(table.column_names, table.columns, strict=True):
        parts += _column(name, column.combine_chunks())
    return parts


def _column(name: str, column: pa.Array) -> Iterator[Part]:
    if column.null_count or (kind := str(_plain(column.type))) not in _WRITERS:
        raise ValueError(f"{name}: {column.type}, {column.null_count} NULLs: ClickHouse is given neither here")
    type_name, write = _WRITERS[kind]
    yield _text(name) + _text(type_name)
    if len(column):
        yield from write(column)


def _plain(type_: pa.DataType) -> pa.DataType | str:
    """The type; of a dictionary of texts, whatever its indexes are."""
    return "dictionary" if pa.types.is_dictionary(type_) and type_.value_type == pa.string() else type_


def _length(size: int) -> bytes:
    parts = []
    while size > 0x7F:
        parts.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*parts, size])


def _text(text: str) -> bytes:
    return _length(len(text.encode())) + text.encode()


def _numbers(column: pa.Array) -> Iterator[memoryview]:
    yield _raw(column.to_numpy(zero_copy_only=False))


def _times(column: pa.Array) -> Iterator[memoryview]:
    yield _raw(column.cast(pa.int64()).to_numpy())


def _uuids(column: pa.Array) -> Iterator[memoryview]:
    yield _raw(uuids.words(column))


def _texts(column: pa.Array) -> Iterator[memoryview]:
    _, ends, text = column.buffers()
    starts = np.frombuffer(ends, np.int32)[column.offset : column.offset + len(column) + 1]
    data = np.frombuffer(text, np.uint8) if text and text.size else np.empty(0, np.uint8)
    out = np.empty(int(starts[-1] - starts[0]) + _LONGEST_LENGTH * len(column), np.uint8)
    yield _raw(out[: _write_texts(starts, data, out)])


@compiled
def _write_texts(starts: Any, data: Any, out: Any) -> Any:
    at = 0
    for i in range(len(starts) - 1):
        size = starts[i + 1] - starts[i]
        while size > 0x7F:
            out[at] = np.uint8(size & 0x7F | 0x80)
            size >>= 7
            at += 1
        out[at] = np.uint8(size)
        at += 1
        for place in range(starts[i], starts[i + 1]):
            out[at] = data[place]
            at += 1
    return at


def _dictionary(column: pa.DictionaryArray) -> Iterator[memoryview]:
    width = next(width for width, most in enumerate((1 << 8, 1 << 16, 1 << 32)) if len(column.dictionary) <= most)
    yield _raw(np.array([_SHARED_DICTIONARIES, _KEYS_FOLLOW | np.uint64(width), len(column.dictionary)], np.uint64))
    yield from _texts(column.dictionary)
    yield _raw(np.array([len(column)], np.uint64))
    yield _raw(column.indices.to_numpy().astype(_INDEXES[width]))


def _raw(array: npt.NDArray[Any]) -> memoryview:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


_Write = Callable[[Any], Iterator[memoryview]]
_WRITERS: Final[dict[str, tuple[str, _Write]]] = {
    "uint8": ("UInt8", _numbers),
    "uint16": ("UInt16", _numbers),
    "uint32": ("UInt32", _numbers),
    "uint64": ("UInt64", _numbers),
    "bool": ("Bool", _numbers),
    "timestamp[ms, tz=UTC]": ("DateTime64(3, 'UTC')", _times),
    "fixed_size_binary[16]": ("UUID", _uuids),
    "string": ("String", _texts),
    "dictionary": ("LowCardinality(String)", _dictionary),
}
"""By Arrow's name: ClickHouse's type, and what writes a column's values."""
