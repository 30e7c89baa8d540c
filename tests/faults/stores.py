"""What every store says, in the readers' own shape, and where it is not what was acknowledged."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
import httpx2
import redis.asyncio
from clickhouse_connect.driver.asyncclient import AsyncClient
from pydantic import SecretStr

import wire.clickhouse
import wire.redis
from tests import refusals
from tests.faults.load import Cell, Figure
from tests.faults.machine import Machine
from wire.counters import decode_cells
from wire.topics import EVENTS

Cells = dict[Cell, Figure]
ALL: Final = -1
"""The minute of a figure that is about all minutes."""
WATCHED_MINUTES: Final = 58
WRITTEN: Final = ("engagement_events", "engagement_minutes", "counted_events", "accepted_events", "stream_positions")
"""Tables that are written to all the time."""
SHOWN: Final = 10


def without_minutes(cells: Cells) -> Cells:
    """Totals of each organization, content, platform and kind."""
    totals: Cells = {}
    for (organization, content, platform, kind, _), (count, robots, value) in cells.items():
        at = (organization, content, platform, kind, ALL)
        held = totals.get(at, (0, 0, 0))
        totals[at] = held[0] + count, held[1] + robots, held[2] + value
    return totals


def differences(store: str, expected: Cells, found: Cells) -> list[str]:
    """A sentence for each place where a store is wrong."""
    wrong = [at for at in expected.keys() | found.keys() if expected.get(at) != found.get(at)]
    return [
        f"{store}: {'/'.join(map(str, at))}: acknowledged {expected.get(at)}, found {found.get(at)}"
        for at in sorted(wrong)
    ]


class Stores:
    """Open doors to the servers themselves, past every bad link."""

    def __init__(self, machine: Machine, clickhouse: AsyncClient, postgres: asyncpg.Pool, client: Any) -> None:
        self._machine = machine
        self._clickhouse = clickhouse
        self._postgres = postgres
        self._redis: redis.asyncio.Redis = client

    @classmethod
    async def open(cls, machine: Machine) -> "Stores":
        given = machine.direct
        clickhouse = await wire.clickhouse.async_client(SecretStr(given["TALLYWIRE_CLICKHOUSE_URL"]))
        postgres = await asyncpg.create_pool(given["TALLYWIRE_POSTGRES_URL"], min_size=0, max_size=1, timeout=10)
        return cls(machine, clickhouse, postgres, wire.redis.client(SecretStr(given["TALLYWIRE_REDIS_URL"])))

    async def close(self) -> None:
        await self._clickhouse.close()
        await self._postgres.close()
        await self._redis.aclose()

    async def differences(self, expected: Cells) -> list[str]:
        """Every place where a store is not what was acknowledged."""
        totals = without_minutes(expected)
        found = differences("ledger", expected, await self._counted(_LEDGER))
        found += differences("aggregate", expected, await self._counted(_AGGREGATE))
        if twice := await self._twice():
            found.append(f"ledger: {twice} ids are there twice")
        found += await self._accounted(expected)
        found += await self._redis_differences(expected, totals)
        found += differences("PostgreSQL", totals, await self._in_postgres())
        if not found:
            found += await self._rest_differences(totals)
        return found

    async def rejected(self, topic: str) -> int:
        """How many messages of this topic were refused."""
        asked = await self._clickhouse.query(_REJECTED, {"topic": topic})
        return int(asked.result_rows[0][0])

    async def refused_whole(self, organization: str) -> int:
        """How many of this organization's requests were refused as a whole."""
        asked = await self._clickhouse.query(_REFUSED_WHOLE, {"of": organization, "reasons": list(WHOLE)})
        return int(asked.result_rows[0][0])

    async def pieces_differences(self, made: dict[str, str]) -> list[str]:
        """Where a piece that an editor brought in (name -> id) is not there once, told once, and scored."""
        pieces = await self._postgres.fetch("SELECT id, source_ref, quality_score FROM content WHERE body <> ''")
        told = dict((await self._clickhouse.query(_TOLD)).result_rows)
        there = {str(each["source_ref"]): str(each["id"]) for each in pieces}
        found = [
            f"piece {name}: acknowledged as {id_}, is {there.get(name)}"
            for name, id_ in made.items()
            if there.get(name) != id_
        ]
        found += [f"piece {each['source_ref']}: not scored" for each in pieces if each["quality_score"] is None]
        found += [
            f"piece {name}: told {told.get(UUID(id_))} times" for name, id_ in made.items() if told.get(UUID(id_)) != 1
        ]
        if waiting := await self._postgres.fetchval("SELECT count(*) FROM outbox WHERE published_at IS NULL"):
            found.append(f"outbox: {waiting} rows are not published")
        return found

    async def empty_redis(self) -> None:
        """FLUSHALL, on a new connection: the old ones were to a Redis that may have died since."""
        await self._redis.connection_pool.disconnect()
        await self._redis.flushall()

    def refusals(self, of: str) -> list[AbstractAsyncContextManager[None]]:
        """The ways in which a server refuses, to be entered one after another."""
        match of:
            case "valkey":
                ways = (refusals.full, refusals.cannot_save, refusals.replica, refusals.busy)
                return [way(self._redis) for way in ways]
            case "postgres":
                return [way(self._postgres) for way in (refusals.read_only, refusals.lets_nobody_in)]
            case _:
                return [way(self._clickhouse, WRITTEN) for way in (refusals.put_away, refusals.too_many_parts)]

    async def forgotten(self) -> int:
        """How many keys Redis ever forgot to make room."""
        return int((await self._redis.info("stats"))["evicted_keys"])

    async def dead_commands(self, key: str) -> int:
        """How many commands about this were set aside for good."""
        asked = "SELECT count(*) FROM commands_aside WHERE key = $1 AND due_at IS NULL"
        return int(await self._postgres.fetchval(asked, key))

    async def counted_up_to_ms(self) -> int:
        """Unix ms up to which every partition says that it has counted; 0 where one says nothing."""
        try:
            known = await self._redis.hgetall("tw:as_of")
        except wire.redis.TRANSIENT:
            return 0
        return min(map(int, known.values())) if len(known) == EVENTS.partitions else 0

    async def _counted(self, question: str) -> Cells:
        rows = (await self._clickhouse.query(question, {"of": self._ours()})).result_rows
        return {(str(o), str(c), p, k, _minute(at)): (n, robots, value) for o, c, p, k, at, n, robots, value in rows}

    async def _twice(self) -> int:
        return int((await self._clickhouse.query(_TWICE)).result_rows[0][0])

    async def _accounted(self, expected: Cells) -> list[str]:
        """What the accounts of envelopes say was stored, by organization."""
        rows = (await self._clickhouse.query(_ACCOUNTS, {"of": self._ours()})).result_rows
        should = _sums((at[0], figure[0]) for at, figure in expected.items())
        does = {str(organization): stored for organization, stored in rows}
        return [] if should == does else [f"accounts: acknowledged {should}, found {does}"]

    def _ours(self) -> list[str]:
        return [each.id for each in self._machine.organizations]

    async def _redis_differences(self, expected: Cells, totals: Cells) -> list[str]:
        """All totals, and every minute of the last hour; older ones are not kept up, and nobody reads them."""
        all_, minutes = await self._in_redis()
        oldest = int(time.time()) // 60 - WATCHED_MINUTES
        watched = {at: figure for at, figure in expected.items() if at[4] >= oldest}
        recent = {at: figure for at, figure in minutes.items() if at[4] >= oldest}
        return differences("Redis", totals, all_) + differences("Redis, by minute", watched, recent)

    async def _in_redis(self) -> tuple[Cells, Cells]:
        totals: Cells = {}
        minutes: Cells = {}
        ours = set(self._ours())
        keys = [key for pattern in _KEYS async for key in self._redis.scan_iter(match=pattern, count=1000)]
        for key in keys:
            name = key.decode()
            minute = int(name.rpartition(":")[2]) if ":minute:" in name else ALL
            into = totals if minute == ALL else minutes
            for field, cells in (await self._redis.hgetall(key)).items():
                organization, content = str(UUID(bytes=field[:16])), str(UUID(bytes=field[16:]))
                if organization in ours:
                    into |= {
                        (organization, content, cell.platform, cell.kind, minute): (cell.count, cell.robots, cell.value)
                        for cell in decode_cells(cells)
                    }
        return totals, minutes

    async def _in_postgres(self) -> Cells:
        rows = await self._postgres.fetch(
            "SELECT organization_id, id, engagement_stats FROM content WHERE organization_id = ANY ($1::uuid[])",
            self._ours(),
        )
        return {
            (str(organization), str(content), platform, kind, ALL): (of["count"], of["robots"], of["value"])
            for organization, content, stats in rows
            for platform, kinds in json.loads(stats).get("totals", {}).items()
            for kind, of in kinds.items()
        }

    async def _rest_differences(self, totals: Cells) -> list[str]:
        """What the API answers about some pieces of each organization, the hot one among them."""
        found = []
        for organization in self._machine.organizations:
            some = [organization.pieces[0], *self._machine.random.sample(organization.pieces[1:], 4)]
            async with self._machine.api(organization) as api:
                for content in some:
                    stats = (await api.get(f"/content/{content}/stats")).raise_for_status().json()
                    mine = {at: of for at, of in totals.items() if at[1] == content}
                    expected = _sums((at[2:4], figure[0]) for at, figure in mine.items())
                    told = {(p, k): n for p, kinds in stats["by_platform"].items() for k, n in kinds.items()}
                    readers = _sums((at[3], figure[0] - figure[1]) for at, figure in mine.items())
                    values = _sums((at[3], figure[2]) for at, figure in mine.items())
                    spent = {kind: round(value * 1000) for kind, value in stats["values"].items()}
                    pairs = ((expected, told), (readers, stats["readers"]), (values, spent))
                    found += [f"REST: {content}: {should} is {does}" for should, does in pairs if should != does]
        return found


def _sums(amounts: Iterable[tuple[Any, int]]) -> dict[Any, int]:
    sums: dict[Any, int] = {}
    for at, amount in amounts:
        if amount:
            sums[at] = sums.get(at, 0) + amount
    return sums


def _minute(at: datetime) -> int:
    return int(at.replace(tzinfo=UTC).timestamp()) // 60


AWAY: Final = (*wire.clickhouse.TRANSIENT, *wire.redis.TRANSIENT, asyncpg.PostgresError, httpx2.HTTPError)


async def until_equal(ask: Callable[[], Awaitable[list[str]]], within_s: float) -> list[str]:
    """Ask until nothing differs, and still nothing differs two seconds later; answers what differs at the end."""
    end = time.monotonic() + within_s
    agreed = False
    while True:
        try:
            found = await ask()
        except AWAY as error:
            found = [f"a store does not answer: {error!r}"]
        if found and time.monotonic() > end:
            return found[:SHOWN] + ([f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else [])
        if agreed and not found:
            return []
        agreed = not found
        await asyncio.sleep(2 if agreed else 0.5)


_KEYS: Final = ("tw:{*}:totals", "tw:{*}:minute:*")
_LEDGER: Final = """
SELECT organization_id, content_id, platform, kind, minute, count(), countIf(robot), sum(e.value)
FROM engagement_events AS e FINAL WHERE organization_id IN {of:Array(UUID)}
GROUP BY organization_id, content_id, platform, kind, minute
"""
_AGGREGATE: Final = """
SELECT organization_id, content_id, platform, kind, minute, count, robots, m.value
FROM engagement_minutes AS m FINAL WHERE organization_id IN {of:Array(UUID)}
"""
_ACCOUNTS: Final = """
SELECT organization_id, sum(stored) FROM counted_events FINAL
WHERE organization_id IN {of:Array(UUID)} GROUP BY organization_id
"""
_TOLD: Final = "SELECT content_id, count() FROM content_events FINAL WHERE type = 'content.created' GROUP BY content_id"
_REJECTED: Final = "SELECT count() FROM rejections FINAL WHERE startsWith(source, {topic:String})"
WHOLE: Final = ("malformed", "too_large", "unsupported_media_type")
_REFUSED_WHOLE: Final = """
SELECT count() FROM rejections FINAL
WHERE organization_id = {of:UUID} AND source = 'http' AND reason IN {reasons:Array(String)}
"""
_TWICE: Final = "SELECT count() - uniqExact((organization_id, content_id, id)) FROM engagement_events FINAL"
