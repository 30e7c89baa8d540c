"""Redis: the hot counters that people watch. A partition's counters move forward together, as `wire.counters` says."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final
from uuid import uuid4

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
    MINUTES_KEPT,
    NEXT_TTL_SECONDS,
    REPAIR,
    SWITCH,
    minute_key,
    next_key,
    parts_key,
    position_key,
    position_text,
    totals_key,
)
from wire.ids import partitions
from wire.topics import EVENTS

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
    return int(now_s) // 60 - MINUTES_KEPT


def pieces_of(contents: Words) -> list[bytes]:
    """(n, 4) contents -> n pieces of 32 bytes."""
    raw = np.ascontiguousarray(contents).astype(">u8").tobytes()
    return [raw[at : at + 32] for at in range(0, len(raw), 32)]


def by_partition(contents: Words, owners: Rows, cells: tuple[Rows, list[bytes]]) -> dict[int, Pieces]:
    """(n, 4) contents whose rows are `owners`, ascending, and cells of some of them -> partition -> piece -> cells."""
    rows, texts = cells
    some = contents[np.searchsorted(owners, rows)]
    of = partitions(some[:, 2], some[:, 3], EVENTS.partitions)
    order = np.argsort(of.astype(np.uint16), kind="stable")
    pieces, ordered = pieces_of(some[order]), [texts[at] for at in order.tolist()]
    ends = np.cumsum(np.bincount(of, minlength=EVENTS.partitions)).tolist()
    parts = enumerate(pairwise([0, *ends]))
    return {n: dict(zip(pieces[at:end], ordered[at:end], strict=True)) for n, (at, end) in parts if at < end}


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
    """The counters of `wire.counters`. Positions are as in `streams.messages`, and of one generation of figures."""

    def __init__(self, client: redis.asyncio.Redis, generation: int = 0) -> None:
        self.generation = generation
        self._client = client
        self._advance = client.register_script(ADVANCE)
        self._repair = client.register_script(REPAIR)
        self._switch = client.register_script(SWITCH)

    def at(self, position: int) -> str:
        """A position of this generation as Redis has it."""
        return position_text(position, self.generation)

    async def now_s(self) -> float:
        """Unix seconds by Redis's clock, which alone decides which minutes are kept: a worker whose own clock is wrong
        would leave some out."""
        seconds, microseconds = await until_done("redis", self._client.time)
        return float(seconds + microseconds / 1e6)

    async def held(self, of: int) -> str:
        """Up to where a partition's counters are whole, as text; NOTHING where Redis was emptied."""
        return _text(await until_done("redis", lambda: self._client.get(position_key(of))))

    async def advance(self, of: int, written: int, to: int, update: Update) -> str:
        """Move a partition's counters from a position that was written to one that they reach with `update`.

        Answers what stands in the end: smaller than `written` means that Redis lost something, and took nothing.
        """
        return await self._run(self._advance, of, self.at(written), self.at(to), update)

    async def repair(self, of: int, seen: str, to: int, update: Update) -> bool:
        """Write what Redis lost, all at once; `to` is where its counters are whole then.

        False where they no longer stand where they were `seen`: another worker moved them meanwhile.
        """
        return await self._run(self._repair, of, seen, self.at(to), update) == self.at(to)

    async def build(self, of: int, token: str, part: int, update: Update) -> None:
        """Write these totals and minutes, which are one part of them, beside those that readers see, until `switch`."""
        keys, _ = update.hashes(of)
        parts = [*([update.totals] if update.totals else []), *update.minutes.values()]

        async def write() -> None:
            async with self._client.pipeline(transaction=True) as pipeline:
                pipeline.sadd(parts_key(of, token), part)
                pipeline.expire(parts_key(of, token), NEXT_TTL_SECONDS)
                for key, pieces in zip(keys, parts, strict=True):
                    if pieces:
                        built = next_key(key, token)
                        pipeline.hset(built, mapping=dict[Any, Any](pieces))
                        pipeline.expire(built, NEXT_TTL_SECONDS)
                await pipeline.execute()

        await until_done("redis", write)

    async def switch(self, of: int, token: str, seen: str, to: int, minutes: Iterable[int], *, parts: int) -> bool:
        """Let the `parts` that were built take the place of all that is there, at once; `minutes`: those that may be
        there.

        False where the counters no longer stand where they were `seen`, or where Redis has lost a part meanwhile.
        """
        live = [(totals_key(of), 0), *((minute_key(of, minute), MINUTE_TTL_SECONDS) for minute in minutes)]
        keys = [position_key(of), parts_key(of, token)]
        keys += [key for name, _ in live for key in (next_key(name, token), name)]
        arguments: list[str | int] = [seen, self.at(to), parts, *(ttl_s for _, ttl_s in live)]
        return _text(await until_done("redis", lambda: self._switch(keys, arguments))) == self.at(to)

    async def _run(self, script: AsyncScript, of: int, seen: str, to: str, update: Update) -> str:
        keys, arguments = update.hashes(of)
        answer = await until_done("redis", lambda: script([position_key(of), *keys], [seen, to, *arguments]))
        return _text(answer)


def new_token() -> str:
    """A name under which to build counters, that nobody else has."""
    return uuid4().hex[:12]


def _text(answer: bytes | str | None) -> str:
    return answer.decode() if isinstance(answer, bytes) else answer or NOTHING
