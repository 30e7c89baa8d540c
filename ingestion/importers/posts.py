"""Posts with platforms' own totals, as CSV: each row is a piece with its snapshots, or one refusal.

An empty count is not zero: nothing is said about it. Any table will do, its columns named by `Columns`.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO, Final

from ingestion.importers.refused import Refused
from wire.events import Kind
from wire.ids import id_at

MAX_COUNT: Final = 10**15

WHY: Final = {
    "malformed_row": "the row has not as many cells as the header",
    "not_utf8": "the row is not UTF-8, or has a zero byte",
    "missing_id": "the id is empty",
    "duplicate_id": "an earlier row of this file has the same id",
    "invalid_date": "the date is not of the form 2016-09-19 or 2016-09-19T08:00:00+02:00",
    "invalid_count": f"a count is not a whole number from 0 to {MAX_COUNT}",
}


@dataclass(frozen=True)
class Columns:
    """Which column holds what; `metrics` is kind -> column."""

    id: str = "post_id"
    title: Sequence[str] = ("Page", "Post Type", "post_id")
    published: str | None = "Date Published"
    metrics: Mapping[Kind, str] = field(
        default_factory=lambda: {
            Kind.SHARE: "share_count",
            Kind.REACTION: "reaction_count",
            Kind.COMMENT: "comment_count",
        }
    )

    def named(self) -> list[str]:
        """Every column that is read."""
        return [self.id, *self.title, *([self.published] if self.published else []), *self.metrics.values()]


@dataclass(frozen=True, slots=True)
class Post:
    """One post, and the totals that were known of it."""

    id: str
    title: str
    published_at: datetime | None
    counts: Mapping[Kind, int]


class _BadRow(Exception):
    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def text_lines(raw: IO[bytes]) -> Iterator[str]:
    """A CSV file's lines; a byte-order mark is dropped, what is not UTF-8 becomes lone surrogates."""
    text = io.TextIOWrapper(raw, encoding="utf-8-sig", errors="surrogateescape", newline="")
    try:
        yield from text
    finally:
        if not raw.closed:
            text.detach()


def parse(lines: Iterable[str], columns: Columns, source: str) -> Iterator[Post | Refused]:
    """A CSV file's lines, the header first -> one Post or Refused a row, in order.

    Raises ValueError where the header lacks a column.
    """
    reader = csv.reader(lines)
    header = next(reader, [])
    if missing := [name for name in columns.named() if name not in header]:
        raise ValueError(f"the file has no column {', '.join(missing)}; its columns are {', '.join(header)}")
    seen: set[str] = set()
    for number, row in enumerate(_rows(reader), start=1):
        try:
            post = _post(header, row, columns)
            _require(post.id not in seen, "duplicate_id")
            seen.add(post.id)
            yield post
        except _BadRow as bad:
            sample = ",".join(row).encode(errors="backslashreplace").decode()
            id_ = id_at(0, "posts", source, str(number), sample)
            yield Refused(id_, source, number, bad.reason, WHY[bad.reason], sample)


def _rows(reader: Iterator[list[str]]) -> Iterator[list[str]]:
    """Rows that are not blank; one that the csv module cannot read is given as no cells at all."""
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield []
            continue
        if row:
            yield row


def _post(header: Sequence[str], row: Sequence[str], columns: Columns) -> Post:
    _require(len(row) == len(header), "malformed_row")
    _require(all("\0" not in cell and _is_utf8(cell) for cell in row), "not_utf8")
    cells = dict(zip(header, map(str.strip, row), strict=True))
    _require(cells[columns.id] != "", "missing_id")
    title = " · ".join(cells[name] for name in columns.title if cells[name])
    counts = {kind: _count(cells[name]) for kind, name in columns.metrics.items() if cells[name]}
    published_at = _time(cells[columns.published]) if columns.published and cells[columns.published] else None
    return Post(cells[columns.id], title or cells[columns.id], published_at, counts)


def _require(holds: bool, reason: str) -> None:
    if not holds:
        raise _BadRow(reason)


def _is_utf8(cell: str) -> bool:
    return cell.isascii() or not any("\ud800" <= character <= "\udfff" for character in cell)


def _count(text: str) -> int:
    _require(text.isascii() and text.isdigit() and len(text) <= 16 and int(text) <= MAX_COUNT, "invalid_count")
    return int(text)


def _time(text: str) -> datetime:
    """A date is its first moment; a time without a zone is UTC."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise _BadRow("invalid_date") from None
    return read if read.tzinfo else read.replace(tzinfo=UTC)
