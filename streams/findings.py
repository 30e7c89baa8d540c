"""Findings: figures of pieces, on their way to PostgreSQL as `wire.commands.Engagement`.

Their cells were encoded for Redis, and travel as they are.
"""

import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec
import numpy as np
from uuid_utils import UUID

from streams.buckets import Counted
from streams.rejections import NOBODY, SAMPLE_BYTES
from streams.sinks.counters import Update, pieces_of
from wire.commands import events_of_version, figures_version
from wire.events import Rejection, encode
from wire.topics import FINDINGS

Finding = tuple[bytes, int, bytes]
"""a piece, the version of its figures, its cells"""


class _Engagement(msgspec.Struct, frozen=True):
    organization_id: str
    content_id: str
    version: int
    cells: msgspec.Raw


def found(counted: Counted, changed: Mapping[int, Update], generation: int) -> dict[bytes, Finding]:
    """What a batch changed, by piece."""
    if not len(counted.contents):
        return {}
    starts = np.flatnonzero(np.diff(counted.totals.owner, prepend=-1))
    counts = np.add.reduceat(counted.totals.count, starts).tolist()
    cells = {piece: of for update in changed.values() for piece, of in update.totals.items()}
    pieces = zip(pieces_of(counted.contents), counts, strict=True)
    return {piece: (piece, figures_version(generation, count), cells[piece]) for piece, count in pieces}


def payload(findings: Iterable[Finding]) -> bytes:
    """The JSON of a `wire.commands.RecordEngagement`."""
    updates = [
        _Engagement(_text(piece[:16]), _text(piece[16:]), version, msgspec.Raw(cells))
        for piece, version, cells in findings
    ]
    return encode({"updates": updates})


def too_large(finding: Finding, at: datetime) -> Rejection:
    """What is kept of a piece whose cells no message holds: one rejection, however often it changes."""
    piece, version, cells = finding
    return Rejection(
        id=uuid.uuid5(NOBODY, f"{FINDINGS.name}/{piece.hex()}"),
        organization_id=uuid.UUID(bytes=piece[:16]),
        source=FINDINGS.name,
        place=events_of_version(version),
        reason="too_many_platforms",
        detail=f"content {_text(piece[16:])} has figures of so many platforms ({len(cells)} bytes) that PostgreSQL"
        " keeps older ones; name few platforms in events, and put what varies into attributes",
        sample=cells[:SAMPLE_BYTES].decode(),
        rejected_at=at,
    )


def _text(of: bytes) -> str:
    return str(UUID(bytes=of))
