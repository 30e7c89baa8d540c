"""Redis: the hot counters that people watch."""

from itertools import groupby
from operator import itemgetter
from typing import Final
from uuid import UUID

import numpy as np
import redis.asyncio

from streams.buckets import Counted
from streams.cells import Figures
from streams.envelopes import Platforms
from streams.index import Rows, Words
from streams.retry import until_done
from wire.counters import (
    COMPLETE_SINCE,
    KEEP_LARGER,
    MINUTE_TTL_SECONDS,
    Cell,
    encode_cells,
    minute_key,
    totals_key,
)
from wire.events import KINDS

_KEYS_A_SCRIPT: Final = 500
_MINUTES_KEPT: Final = 61

Piece = tuple[UUID, UUID]
"""organization, content"""


def pieces(contents: Words) -> list[Piece]:
    """(n, 4) words -> their ids."""
    raw = np.ascontiguousarray(contents).astype(">u8").tobytes()
    return [(UUID(bytes=raw[at : at + 16]), UUID(bytes=raw[at + 16 : at + 32])) for at in range(0, len(raw), 32)]


def cells_of(contents: Words, owners: Rows, figures: Figures, platforms: Platforms) -> dict[Piece, list[Cell]]:
    """Every cell of each piece; `owners` are the pieces' rows in `figures`."""
    named = dict(zip(owners.tolist(), pieces(contents), strict=True))
    columns = (figures.owner, figures.code, figures.count, figures.robots, figures.value)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return {
        named[owner]: [
            Cell(platforms.names[code >> 8], KINDS[code & 0xFF], count, robots, value)
            for _, code, count, robots, value in cells
        ]
        for owner, cells in groupby(rows, key=itemgetter(0))
    }


class Counters:
    """The counters of `wire.counters`; the larger one wins."""

    def __init__(self, client: redis.asyncio.Redis, platforms: Platforms) -> None:
        self._client = client
        self._platforms = platforms
        self._keep_larger = client.register_script(KEEP_LARGER)

    async def write(self, counted: Counted, totals: dict[Piece, list[Cell]], now_s: float) -> None:
        """Write the totals that changed, and the minutes that are still watched."""
        entries = [(totals_key(*piece), cells, 0) for piece, cells in totals.items()]
        oldest = int(now_s) // 60 - _MINUTES_KEPT
        for minute, contents, owners, figures in counted.buckets:
            if minute >= oldest:
                found = cells_of(contents, owners, figures, self._platforms)
                entries += [(minute_key(*piece, minute), cells, MINUTE_TTL_SECONDS) for piece, cells in found.items()]
        for at in range(0, len(entries), _KEYS_A_SCRIPT):
            await self._send(entries[at : at + _KEYS_A_SCRIPT])

    async def mark(self, now_s: float) -> None:
        """Say since when nothing was missed, where Redis does not say so already."""
        since = int(now_s * 1000)
        await until_done("redis", lambda: self._client.set(COMPLETE_SINCE, since, nx=True))

    async def _send(self, entries: list[tuple[str, list[Cell], int]]) -> None:
        keys = [key for key, _, _ in entries]
        args: list[bytes | int] = []
        for _, cells, ttl_s in entries:
            args += [sum(cell.count for cell in cells), encode_cells(cells), ttl_s]
        await until_done("redis", lambda: self._keep_larger(keys, args))
