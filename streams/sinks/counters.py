"""Redis: the hot counters that people watch. A partition's counters move forward together, as `wire.counters` says."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import redis.asyncio
from redis.commands.core import AsyncScript

from streams.buckets import Counted
from streams.envelopes import Platforms
from streams.index import Rows, Words
from streams.retry import until_done
from streams.sinks.cells_json import encoded
from wire.counters import (
    ADVANCE,
    MINUTE_TTL_SECONDS,
    REPAIR,
    minute_key,
    position_key,
    position_text,
    totals_key,
)
from wire.ids import partitions
from wire.topics import EVENTS

_MINUTES_KEPT: Final = 61
NOTHING: Final = ""
"""What stands in Redis where it was emptied."""

Pieces = dict[bytes, bytes]
"""piece (32 bytes) -> its cells, encoded"""


@dataclass
class Update:
    """What changes in one partition: totals, and minutes (unix time // 60)."""

    totals: Pieces = field(default_factory=dict)
    minutes: dict[int, Pieces] = field(default_factory=lambda: defaultdict(dict))

    def hashes(self, of: int) -> tuple[list[str], list[bytes | int]]:
        """The keys and arguments of the scripts."""
        parts = [(totals_key(of), 0, self.totals)] if self.totals else []
        parts += [(minute_key(of, minute), MINUTE_TTL_SECONDS, pieces) for minute, pieces in self.minutes.items()]
        arguments: list[bytes | int] = []
        for _, ttl_s, pieces in parts:
            arguments += [ttl_s, len(pieces)]
            for piece, cells in pieces.items():
                arguments += [piece, cells]
        return [key for key, _, _ in parts], arguments


def watched_from(now_s: float) -> int:
    """The oldest minute that is still kept."""
    return int(now_s) // 60 - _MINUTES_KEPT


def by_partition(contents: Words, owners: Rows, cells: Iterable[tuple[int, bytes]]) -> dict[int, Pieces]:
    """(n, 4) contents whose rows are `owners`, and their cells -> partition -> piece -> cells."""
    raw = np.ascontiguousarray(contents).astype(">u8").tobytes()
    of = partitions(contents[:, 2], contents[:, 3], EVENTS.partitions).tolist()
    at = {owner: i for i, owner in enumerate(owners.tolist())}
    found: dict[int, Pieces] = defaultdict(dict)
    for owner, encoded_cells in cells:
        i = at[owner]
        found[of[i]][raw[32 * i : 32 * i + 32]] = encoded_cells
    return found


def updates(counted: Counted, platforms: Platforms, now_s: float) -> dict[int, Update]:
    """Partition -> what a batch changed in it: every changed total, and the minutes that are still watched."""
    changed: dict[int, Update] = defaultdict(Update)
    for of, pieces in by_partition(counted.contents, counted.content_rows, encoded(counted.totals, platforms)).items():
        changed[of].totals = pieces
    for minute, contents, owners, figures in counted.buckets:
        if minute >= watched_from(now_s):
            for of, pieces in by_partition(contents, owners, encoded(figures, platforms)).items():
                changed[of].minutes[minute] = pieces
    return changed


class Counters:
    """The counters of `wire.counters`. Positions are as in `streams.messages`."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._client = client
        self._advance = client.register_script(ADVANCE)
        self._repair = client.register_script(REPAIR)

    async def held(self, of: int) -> str:
        """Up to where a partition's counters are whole, as text; NOTHING where Redis was emptied."""
        return _text(await until_done("redis", lambda: self._client.get(position_key(of))))

    async def advance(self, of: int, written: int, to: int, update: Update) -> str:
        """Move a partition's counters from a position that was written to one that they reach with `update`.

        Answers what stands in the end: smaller than `written` means that Redis lost something, and took nothing.
        """
        return await self._run(self._advance, of, position_text(written), position_text(to), update)

    async def repair(self, of: int, seen: str, to: int | None, update: Update) -> bool:
        """Write what Redis lost; `to`, with the last part, is where its counters are whole then.

        False where they no longer stand where they were `seen`: another worker moved them meanwhile.
        """
        text = position_text(to) if to is not None else NOTHING
        return await self._run(self._repair, of, seen, text, update) == text

    async def _run(self, script: AsyncScript, of: int, seen: str, to: str, update: Update) -> str:
        keys, arguments = update.hashes(of)
        answer = await until_done("redis", lambda: script([position_key(of), *keys], [seen, to, *arguments]))
        return _text(answer)


def _text(answer: bytes | str | None) -> str:
    return answer.decode() if isinstance(answer, bytes) else answer or NOTHING
