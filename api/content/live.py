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

from api.content.stats import MINUTES, Numbers, SnapshotCell
from api.doors import ClickHouse
from wire.counters import (
    AS_OF,
    SNAPSHOTS_WHOLE,
    Cell,
    decode_cells,
    minute_key,
    partition_of,
    piece_field,
    position_key,
    snapshots_key,
    totals_key,
)

_log = structlog.stdlib.get_logger("api")

TOTALS, RECENT, SNAPSHOTS = "totals", "minutes", "snapshots"
QUESTIONS: Final = {
    TOTALS: "totals_of_content",
    RECENT: "minutes_of_content",
    SNAPSHOTS: "snapshots_of_content",
}
NOTHING: Final = Numbers((), {}, (), None, "clickhouse", frozenset({TOTALS, RECENT, SNAPSHOTS}))


async def read(
    fast: redis.asyncio.Redis, clickhouse: ClickHouse, organization_id: UUID, content_id: UUID, now: datetime
) -> Numbers:
    """A piece's numbers as of `now`. Raises Unavailable where what is missing in Redis cannot be read elsewhere."""
    try:
        numbers = await _from_redis(fast, organization_id, content_id, now)
    except (redis.exceptions.RedisError, OSError, TimeoutError) as error:
        told = {"error": repr(error)[:200], "seldom": "redis"}
        _log.warning("live numbers read from ClickHouse, Redis does not answer", **told)
        numbers = NOTHING
    if not numbers.missing:
        return numbers
    return await _from_clickhouse(clickhouse, numbers, organization_id, content_id, now)


async def _from_redis(fast: redis.asyncio.Redis, organization_id: UUID, content_id: UUID, now: datetime) -> Numbers:
    last = int(now.timestamp()) // 60
    minutes = range(last - MINUTES + 1, last + 1)
    of, piece = partition_of(content_id), piece_field(organization_id, content_id)
    async with fast.pipeline(transaction=False) as asked:
        asked.hget(totals_key(of), piece)
        asked.hgetall(snapshots_key(organization_id, content_id))
        asked.hget(AS_OF, str(of))
        asked.exists(position_key(of))
        asked.exists(SNAPSHOTS_WHOLE)
        for minute in minutes:
            asked.hget(minute_key(of, minute), piece)
        totals, snapshots, as_of, whole, snapshots_whole, *cells = await asked.execute()
    return Numbers(
        totals=decode_cells(totals) if totals else (),
        minutes={minute: decode_cells(held) for minute, held in zip(minutes, cells, strict=True) if held},
        snapshots=[_snapshot(name, value) for name, value in snapshots.items()],
        as_of_ms=int(as_of) if as_of else None,
        source="redis" if totals or whole else "clickhouse",
        missing=_missing(bool(totals or whole), bool(whole), bool(snapshots or snapshots_whole)),
    )


def _missing(totals: bool, minutes: bool, snapshots: bool) -> frozenset[str]:
    """What Redis does not know; where its counters are whole, what is not there is nothing."""
    known = {TOTALS: totals, RECENT: minutes, SNAPSHOTS: snapshots}
    return frozenset(name for name, is_known in known.items() if not is_known)


def _snapshot(name: bytes, value: bytes) -> SnapshotCell:
    platform, kind = name.decode().split("|")
    captured_at_ms, count = value.split(b"|")
    return SnapshotCell(platform, kind, int(count), datetime.fromtimestamp(int(captured_at_ms) / 1000, UTC))


async def _from_clickhouse(
    clickhouse: ClickHouse, numbers: Numbers, organization_id: UUID, content_id: UUID, now: datetime
) -> Numbers:
    """The same numbers, with what was missing put in."""
    piece = {"organization_id": organization_id, "content_id": content_id}
    first = datetime.fromtimestamp((int(now.timestamp()) // 60 - MINUTES + 1) * 60, UTC)
    more: dict[str, dict[str, object]] = {RECENT: {"since": first}}
    wanted = sorted(numbers.missing)
    asked = (clickhouse.ask(QUESTIONS[name], **piece, **more.get(name, {})) for name in wanted)
    rows = dict(zip(wanted, await asyncio.gather(*asked), strict=True))
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
