"""Findings: figures of pieces, on their way to PostgreSQL as `wire.commands.Engagement`.

Their cells were encoded for Redis, and travel as they are.
"""

from collections.abc import Iterable, Mapping

import msgspec
import numpy as np
from uuid_utils import UUID

from streams.buckets import Counted
from streams.sinks.counters import Update, pieces_of
from wire.commands import figures_version
from wire.events import encode

Finding = tuple[bytes, int, bytes]
"""a piece, how many events it counts, its cells"""


class _Engagement(msgspec.Struct, frozen=True):
    organization_id: str
    content_id: str
    version: int
    cells: msgspec.Raw


def found(counted: Counted, changed: Mapping[int, Update]) -> dict[bytes, Finding]:
    """What a batch changed, by piece."""
    if not len(counted.contents):
        return {}
    starts = np.flatnonzero(np.diff(counted.totals.owner, prepend=-1))
    counts = np.add.reduceat(counted.totals.count, starts).tolist()
    cells = {piece: of for update in changed.values() for piece, of in update.totals.items()}
    pieces = zip(pieces_of(counted.contents), counts, strict=True)
    return {piece: (piece, count, cells[piece]) for piece, count in pieces}


def payload(findings: Iterable[Finding], generation: int) -> bytes:
    """The JSON of a `wire.commands.RecordEngagement`."""
    updates = [
        _Engagement(_text(piece[:16]), _text(piece[16:]), figures_version(generation, count), msgspec.Raw(cells))
        for piece, count, cells in findings
    ]
    return encode({"updates": updates})


def _text(of: bytes) -> str:
    return str(UUID(bytes=of))
