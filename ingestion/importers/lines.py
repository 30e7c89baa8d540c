"""A file's lines, however large the file or a line; gzip is seen by its first bytes."""

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

GZIP_MAGIC: Final = b"\x1f\x8b"
MAX_LINE_BYTES: Final = 64 * 1024


def read_lines(raw: IO[bytes], limit: int = MAX_LINE_BYTES) -> Iterator[bytes]:
    """Lines without their ends; of a longer line the first `limit` + 1 bytes, which no parser takes.

    Raises OSError or EOFError for gzip that is broken or cut short.
    """
    start = raw.read(len(GZIP_MAGIC))
    raw.seek(0)
    file = gzip.GzipFile(fileobj=raw) if start == GZIP_MAGIC else raw
    while line := file.readline(limit + 1):
        if len(line) > limit and not line.endswith(b"\n"):
            while (rest := file.readline(limit)) and not rest.endswith(b"\n"):
                pass
        yield line.rstrip(b"\r\n") if line.endswith(b"\n") else line


def source_name(file: Path) -> str:
    """What an import of this file is called: its name, packed or not."""
    return file.name.removesuffix(".gz")
