"""ClickHouse: the ledger of events, the aggregates, and what the counting asks of them."""

import asyncio
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final
from uuid import UUID

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

import wire.clickhouse
from streams import uuids
from streams.buckets import BYTES_A_KNOWN_CONTENT, MAX_BYTES, Batch, Buckets, Counted, Missing
from streams.cells import Figures
from streams.envelopes import Platforms
from streams.index import Index, Words
from streams.retry import until_done
from streams.sinks import native
from streams.sql import question
from wire.errors import Transient
from wire.events import KINDS

_KEYS_A_QUESTION: Final = 5_000
VIOLATED_CONSTRAINT: Final = 469
"""ClickHouse's code for a row that the table does not take."""
NEVER: Final = 2**64 - 1
"""A position that no log comes to."""
_KIND_CODES: Final = {kind: code for code, kind in enumerate(KINDS)}

Limits = npt.NDArray[np.uint64]


class Ledger:
    """The engagement tables. Every method waits for ClickHouse as long as it takes."""

    def __init__(self, clickhouse: Client, platforms: Platforms) -> None:
        self._clickhouse = clickhouse
        self._platforms = platforms

    async def generation(self) -> int:
        """Which generation of figures the aggregates take."""
        return await until_done("generation", self._generation)

    async def was_recounted(self, generation: int) -> bool:
        """Whether the aggregates take another generation of figures by now; False where ClickHouse is away."""
        try:
            return await self._generation() != generation
        except Exception as error:
            if not (isinstance(error, Transient) or wire.clickhouse.heals(error)):
                raise
            return False

    async def _generation(self) -> int:
        found = await asyncio.to_thread(self._clickhouse.query, question("generation"))
        if not found.result_rows:
            raise Transient("the aggregates are just being swapped")
        return int(found.result_rows[0][0])

    async def catch_up(self, told: Mapping[int, int], generation: int) -> None:
        """Count again what recounts may have left out of the aggregates: partition -> after which generation."""
        asked = {"told": min(told.values()), "generation": generation}
        since = (await self._ask("recounted_since", asked))["since"][0].as_py()
        positions = [at if partition in told else NEVER for partition, at in enumerate(since)]
        again = {"table": "engagement_minutes", "positions": positions}
        if positions:
            command = partial(self._clickhouse.command, question("catch_up"), again)
            await until_done("catch_up", lambda: asyncio.to_thread(command))

    async def recounted(self, told: int, generation: int, after: Words, most: int) -> Words:
        """(n, 4): the next pieces after a (1, 4) that recounts counted again, those after `told` up to a generation."""
        organization_id, content_id = (ids[0] for ids in _keys(after).values())
        place = {"organization_id": organization_id, "content_id": content_id}
        asked = {"told": told, "generation": generation, "limit": most}
        return _content(await self._ask("recounted_pieces", place | asked))

    async def totals(self, contents: Words) -> tuple[Words, list[int], list[str]]:
        """Those of (n, 4) contents of which the ledger has events, how many, and the cells as in `wire.counters`."""
        found = await self._ask("recounted_totals", _keys(contents))
        return _content(found), found["events"].to_pylist(), found["cells"].to_pylist()

    async def begin(self, max_bytes: int = MAX_BYTES) -> Buckets:
        """An empty state of at most so much memory that knows what the ledger may hold."""
        most = max_bytes // 4 // BYTES_A_KNOWN_CONTENT
        minute = (await self._ask("known_from", {}))["minute"][0].as_py()
        found = await self._ask("contents_of_ledger", {"most": most})
        known = np.hstack((uuids.words(found["organization_id"]), uuids.words(found["content_id"])))
        return Buckets(minute, known if len(known) < most else None, max_bytes=max_bytes)

    async def load(self, buckets: Buckets, missing: Missing, limits: Limits) -> None:
        """Give `buckets` what it misses, as the ledger had it before the positions `limits`."""
        for part in _parts(len(missing.contents)):
            asked = {**_keys(missing.contents[part]), "limits": limits.tolist()}
            found = await self._ask("totals_before", asked)
            sums = np.column_stack(
                [found[name].to_numpy().astype(np.uint64) for name in ("events", "robots", "thousandths")]
            )
            buckets.load_totals(_content(found), self._codes(found), sums)
        for part in _parts(len(missing.bucket_contents)):
            minutes = [int(minute) * 60 for minute in missing.bucket_minutes[part]]
            asked = {**_keys(missing.bucket_contents[part]), "minutes": minutes, "limits": limits.tolist()}
            found = await self._ask("events_before", asked)
            robot = found["robot"].to_numpy().astype(np.bool_)
            value = found["value"].to_numpy()
            buckets.load_events(Batch(_content(found), uuids.words(found["id"]), self._codes(found), robot, value))

    async def contents(self) -> Words:
        """(n, 4): every piece of the aggregates, in their own order."""
        return _content(await self._ask("contents_of_aggregates", {}))

    async def contents_since(self, partition: int, position: int) -> Words:
        """(n, 4): the pieces of a partition that were counted at or after a position."""
        return _content(await self._ask("contents_since", {"partition": partition, "position": position}))

    async def figures_of(self, contents: Words, since: int) -> list[tuple[int, Figures]]:
        """What the aggregates say of (n, 4) contents, whose places are the owners: per minute from `since` on, and as
        minute 0 in all; grouped by owner."""
        return self._by_minute(contents, await self._ask("minutes_of_contents", {**_keys(contents), "since": since}))

    def _by_minute(self, contents: Words, found: pa.Table) -> list[tuple[int, Figures]]:
        index = Index(4)
        index.find_or_add(contents)
        owner, minute, code = index.find(_content(found)), found["minute"].to_numpy(), self._codes(found)
        order = np.lexsort((owner, minute))
        sums = [found[name].to_numpy().astype(np.uint64)[order] for name in ("events", "robots", "thousandths")]
        owner, minute, code = owner[order], minute[order], code[order]
        starts = np.flatnonzero(np.diff(minute, prepend=-1))
        ends = [*starts[1:].tolist(), len(minute)][: len(starts)]
        return [
            (int(minute[a]), Figures(owner[a:b], code[a:b], sums[0][a:b], sums[1][a:b], sums[2][a:b]))
            for a, b in zip(starts.tolist(), ends, strict=True)
        ]

    async def figures_between(self, contents: Words, since: int) -> list[tuple[int, Figures]]:
        """As `figures_of`, of (n, 4) contents that follow each other in the aggregates' own order."""
        ends = _keys(contents[[0, -1]])
        asked = {"organizations": ends["organizations"], "contents": ends["contents"], "since": since}
        return self._by_minute(contents, await self._ask("minutes_between", asked))

    async def insert(self, rows: pa.Table) -> None:
        """Store events. The same again is one row: the first position wins."""
        if len(rows):
            await until_done(
                "ledger", lambda: asyncio.to_thread(native.insert, self._clickhouse, "engagement_events", rows)
            )

    async def aggregate(self, counted: Counted, generation: int) -> None:
        """Store the changed cells of each minute. The larger count wins.

        Waits while a recount holds the aggregates; raises Recounted where they are of another generation since.
        """
        rows = minute_rows(counted, self._platforms, generation)

        async def insert() -> None:
            try:
                await asyncio.to_thread(native.insert, self._clickhouse, "engagement_minutes", rows)
            except DatabaseError as error:
                if error.code != VIOLATED_CONSTRAINT:
                    raise
                if (current := await self.generation()) != generation:
                    raise Recounted(generation, current) from error
                raise Transient("a recount holds the aggregates for a moment") from error

        if len(rows):
            await until_done("aggregates", insert)

    async def _ask(self, name: str, parameters: dict[str, Any]) -> pa.Table:
        async def ask() -> pa.Table:
            return await asyncio.to_thread(self._clickhouse.query_arrow, question(name), parameters, use_strings=True)

        return (await until_done(name, ask)).combine_chunks()

    def _codes(self, found: pa.Table) -> npt.NDArray[np.uint64]:
        platforms = [self._platforms.code(name) << 8 for name in found["platform"].to_pylist()]
        kinds = [_KIND_CODES[name] for name in found["kind"].to_pylist()]
        return np.array(platforms, np.uint64) | np.array(kinds, np.uint64)


class Recounted(Exception):
    """The figures were recounted: whoever counts in an earlier generation begins anew."""

    def __init__(self, generation: int, current: int) -> None:
        super().__init__(f"the aggregates were recounted, generation {current} follows {generation}: begin anew")


def minute_rows(counted: Counted, platforms: Platforms, generation: int = 0) -> pa.Table:
    """The changed cells as rows of the aggregates."""
    content = np.concatenate([of for _, of, _ in counted.changed] or [np.empty((0, 4), np.uint64)])
    cells = [cells for _, _, cells in counted.changed]
    code = np.concatenate([c.code for c in cells] or [np.empty(0, np.uint64)])
    minutes = [np.full(len(c.owner), minute * 60, np.uint32) for minute, _, c in counted.changed]
    names, kinds = pa.array(platforms.names, pa.string()), pa.array(KINDS, pa.string())
    return pa.table(
        {
            "organization_id": uuids.column(content[:, :2]),
            "content_id": uuids.column(content[:, 2:]),
            "minute": np.concatenate(minutes or [np.empty(0, np.uint32)]),
            "platform": pa.DictionaryArray.from_arrays((code >> np.uint64(8)).astype(np.int32), names),
            "kind": pa.DictionaryArray.from_arrays((code & np.uint64(0xFF)).astype(np.int32), kinds),
            "count": np.concatenate([c.count for c in cells] or [np.empty(0, np.uint64)]),
            "robots": np.concatenate([c.robots for c in cells] or [np.empty(0, np.uint64)]),
            "value": np.concatenate([c.value for c in cells] or [np.empty(0, np.uint64)]),
            "generation": np.full(len(code), generation, np.uint32),
        }
    )


def _content(found: pa.Table) -> Words:
    return np.hstack((uuids.words(found["organization_id"]), uuids.words(found["content_id"])))


def _keys(contents: Words) -> dict[str, list[str]]:
    high_low = contents.astype(">u8").tobytes()
    ids = [str(UUID(bytes=high_low[at : at + 16])) for at in range(0, len(high_low), 16)]
    return {"organizations": ids[::2], "contents": ids[1::2]}


def _parts(size: int) -> Iterator[slice]:
    return (slice(at, at + _KEYS_A_QUESTION) for at in range(0, size, _KEYS_A_QUESTION))
