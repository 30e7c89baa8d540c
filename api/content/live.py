"""Where a piece's live numbers are read: Redis in one round trip, ClickHouse for what Redis does not have."""

import asyncio
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import redis.asyncio
import redis.exceptions
import structlog
from clickhouse_connect.driver.exceptions import ClickHouseError

import wire.clickhouse
from analytics.ask import ask
from api.content.stats import MINUTES, Numbers, SnapshotCell
from api.doors import ClickHouse
from api.errors import Unavailable
from wire.counters import (
    AS_OF,
    COMPLETE_SINCE,
    Cell,
    decode_cells,
    minute_key,
    snapshots_key,
    totals_key,
)
from wire.ids import partition
from wire.topics import EVENTS

COMPLETE_AFTER_MS: Final = (MINUTES + 1) * 60 * 1000
_log = structlog.stdlib.get_logger("api")

TOTALS, RECENT, SNAPSHOTS = "totals", "minutes", "snapshots"
NOTHING: Final = Numbers((), {}, (), None, "clickhouse", frozenset({TOTALS, RECENT, SNAPSHOTS}))


async def read(
    fast: redis.asyncio.Redis, clickhouse: ClickHouse, organization_id: UUID, content_id: UUID, now: datetime
) -> Numbers:
    """A piece's numbers as of `now`. Raises Unavailable where what is missing in Redis cannot be read elsewhere."""
    try:
        numbers = await _from_redis(fast, organization_id, content_id, now)
    except (redis.exceptions.RedisError, OSError, TimeoutError) as error:
        _log.warning("live numbers read from ClickHouse, Redis does not answer", error=repr(error)[:200])
        numbers = NOTHING
    if not numbers.missing:
        return numbers
    try:
        return await _from_clickhouse(clickhouse, numbers, organization_id, content_id, now)
    except (ClickHouseError, *wire.clickhouse.TRANSIENT) as error:
        raise Unavailable("the analytics database does not answer; try again") from error


async def _from_redis(fast: redis.asyncio.Redis, organization_id: UUID, content_id: UUID, now: datetime) -> Numbers:
    last = int(now.timestamp()) // 60
    minutes = range(last - MINUTES + 1, last + 1)
    async with fast.pipeline(transaction=False) as asked:
        asked.hget(totals_key(organization_id, content_id), "cells")
        asked.hgetall(snapshots_key(organization_id, content_id))
        asked.hget(AS_OF, str(partition(content_id, EVENTS.partitions)))
        asked.get(COMPLETE_SINCE)
        for minute in minutes:
            asked.hget(minute_key(organization_id, content_id, minute), "cells")
        totals, snapshots, as_of, complete_since, *cells = await asked.execute()
    return Numbers(
        totals=decode_cells(totals) if totals else (),
        minutes={minute: decode_cells(held) for minute, held in zip(minutes, cells, strict=True) if held},
        snapshots=[_snapshot(name, value) for name, value in snapshots.items()],
        as_of_ms=int(as_of) if as_of else None,
        source="redis" if totals else "clickhouse",
        missing=_missing(bool(totals), bool(snapshots), complete_since, now),
    )


def _missing(totals: bool, snapshots: bool, complete_since: bytes | None, now: datetime) -> frozenset[str]:
    complete_ms = now.timestamp() * 1000 - int(complete_since) if complete_since else -1
    lacks = {
        TOTALS: not totals,
        RECENT: complete_ms < COMPLETE_AFTER_MS,
        SNAPSHOTS: not snapshots and (not totals or complete_since is None),
    }
    return frozenset(name for name, lacking in lacks.items() if lacking)


def _snapshot(name: bytes, value: bytes) -> SnapshotCell:
    platform, kind = name.decode().split("|")
    captured_at_ms, count = value.split(b"|")
    return SnapshotCell(platform, kind, int(count), datetime.fromtimestamp(int(captured_at_ms) / 1000, UTC))


async def _from_clickhouse(
    clickhouse: ClickHouse, numbers: Numbers, organization_id: UUID, content_id: UUID, now: datetime
) -> Numbers:
    """The same numbers, with what was missing put in."""
    client = await clickhouse.client()
    piece = {"organization_id": organization_id, "content_id": content_id}
    first = datetime.fromtimestamp((int(now.timestamp()) // 60 - MINUTES + 1) * 60, UTC)
    questions: dict[str, Any] = {
        TOTALS: ask(client, "totals_of_content", **piece),
        RECENT: ask(client, "minutes_of_content", **piece, since=first),
        SNAPSHOTS: ask(client, "snapshots_of_content", **piece),
    }
    wanted = [name for name in questions if name in numbers.missing]
    for name in questions.keys() - set(wanted):
        questions[name].close()
    rows = dict(zip(wanted, await asyncio.gather(*(questions[name] for name in wanted)), strict=True))
    if TOTALS in rows:
        numbers = replace(numbers, totals=[_cell(row) for row in rows[TOTALS]])
    if RECENT in rows:
        numbers = replace(numbers, minutes=_minutes(rows[RECENT]))
    if SNAPSHOTS in rows:
        numbers = replace(numbers, snapshots=[SnapshotCell(**row) for row in rows[SNAPSHOTS]])
    return numbers


def _cell(row: dict[str, Any]) -> Cell:
    return Cell(row["platform"], row["kind"], row["count"], row["robots"], row["value"])


def _minutes(rows: list[dict[str, Any]]) -> dict[int, list[Cell]]:
    minutes: dict[int, list[Cell]] = defaultdict(list)
    for row in rows:
        minutes[int(row["minute"].timestamp()) // 60].append(_cell(row))
    return minutes
