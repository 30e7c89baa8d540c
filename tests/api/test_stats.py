"""GET /content/{id}/stats: from Redis in one round trip, from ClickHouse where Redis has nothing."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

import wire.clickhouse
from api.app import create_app
from api.content.stats import Numbers, SnapshotCell, shape
from wire.counters import (
    AS_OF,
    KEEP_LATEST,
    SNAPSHOTS_WHOLE,
    Cell,
    encode_cells,
    minute_key,
    partition_of,
    piece_field,
    position_key,
    snapshots_key,
    totals_key,
)
from wire.events import KINDS
from wire.ids import partition
from wire.topics import EVENTS

NOW = datetime(2026, 11, 22, 10, 31, 45, 250_000, UTC)
CURRENT = int(NOW.timestamp()) // 60
PIECE = UUID(int=7)

counts = st.integers(0, 2**40)
cells = st.builds(
    lambda platform, kind, count, robots, value: Cell(platform, kind, count, min(count, robots), value),
    st.sampled_from(["web", "x", "newsletter"]),
    st.sampled_from(KINDS),
    counts,
    counts,
    counts,
)
distinct = st.lists(cells, max_size=20, unique_by=lambda cell: (cell.platform, cell.kind))


@given(totals=distinct, minutes=st.dictionaries(st.integers(CURRENT - 70, CURRENT + 5), distinct, max_size=8))
def test_totals_readers_and_platforms_agree_and_only_the_last_sixty_minutes_are_shown(totals, minutes) -> None:
    shaped = shape(PIECE, Numbers(totals, minutes, (), None, "redis"), NOW)
    by_platform = Counter()
    for kinds in shaped.by_platform.values():
        by_platform.update(kinds)
    assert +by_platform == Counter(shaped.totals)
    assert sum(shaped.totals.values()) == sum(cell.count for cell in totals)
    assert sum(shaped.readers.values()) == sum(cell.count - cell.robots for cell in totals)
    assert sum(round(value * 1000) for value in shaped.values.values()) == sum(cell.value for cell in totals)
    shown = {int(row.minute.timestamp()) // 60: sum(row.counts.values()) for row in shaped.last_60_minutes}
    assert shown == {
        minute: total
        for minute, of_it in minutes.items()
        if (total := sum(cell.count for cell in of_it)) and CURRENT - 60 < minute <= CURRENT
    }
    assert list(shown) == sorted(shown)


def test_the_shape_is_the_documented_one() -> None:
    totals = [Cell("web", "view", 10, 3, 0), Cell("web", "read", 2, 0, 12_345), Cell("x", "view", 5, 5, 0)]
    minutes = {
        CURRENT: [Cell("web", "view", 2, 1, 0), Cell("x", "view", 1, 1, 0)],
        CURRENT - 59: totals,
        CURRENT - 60: totals,
    }
    snapshots = [SnapshotCell("facebook", "share", 99, NOW - timedelta(hours=1)), SnapshotCell("x", "view", 0, NOW)]
    shaped = shape(PIECE, Numbers(totals, minutes, snapshots, 1_800_000_000_123, "redis"), NOW)
    assert shaped.model_dump(mode="json") == {
        "content_id": str(PIECE),
        "totals": {"read": 2, "view": 15},
        "readers": {"read": 2, "view": 7},
        "values": {"read": 12.345},
        "by_platform": {"web": {"read": 2, "view": 10}, "x": {"view": 5}},
        "last_60_minutes": [
            {"minute": "2026-11-22T09:32:00Z", "counts": {"read": 2, "view": 15}},
            {"minute": "2026-11-22T10:31:00Z", "counts": {"view": 3}},
        ],
        "snapshots": {
            "facebook": {"share": {"count": 99, "captured_at": "2026-11-22T09:31:45.250000Z", "age_seconds": 3600}},
            "x": {"view": {"count": 0, "captured_at": "2026-11-22T10:31:45.250000Z", "age_seconds": 0}},
        },
        "as_of": "2027-01-15T08:00:00.123000Z",
        "source": "redis",
    }


@pytest.fixture
async def piece(client, team) -> UUID:
    body = {"type": "custom", "title": "t"}
    return UUID((await client.post("/api/v1/content", json=body, headers=team.editor.headers)).json()["id"])


@pytest.fixture
async def redis(app) -> Any:
    """The application's Redis, without the marks of other tests."""
    await app.state.doors.redis.delete(AS_OF, SNAPSHOTS_WHOLE, *(position_key(of) for of in range(EVENTS.partitions)))
    return app.state.doors.redis


@pytest.fixture
def now() -> datetime:
    """The time of the test's start, well inside a minute."""
    return datetime.now(UTC)


async def ask(client, team, piece: UUID) -> dict[str, Any]:
    answer = await client.get(f"/api/v1/content/{piece}/stats", headers=team.viewer.headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def count_in_redis(redis: Any, team, piece: UUID, counted: list[Cell], minute: int | None = None) -> None:
    of = partition_of(piece)
    key = totals_key(of) if minute is None else minute_key(of, minute)
    await redis.hset(key, piece_field(team.id, piece), encode_cells(counted))


async def say_whole(redis: Any, piece: UUID) -> None:
    await redis.set(position_key(partition_of(piece)), 1)
    await redis.set(SNAPSHOTS_WHOLE, 1)


def in_clickhouse(settings, table: str, columns: list[str], rows: list[list[Any]]) -> None:
    client = wire.clickhouse.client(settings.clickhouse_url)
    client.insert(table, rows, column_names=columns)
    client.close()


MINUTES = ["organization_id", "content_id", "minute", "platform", "kind", "count", "robots", "value"]


async def test_all_is_read_from_redis_where_redis_is_complete(client, team, piece, redis, now) -> None:
    now_ms, minute = int(now.timestamp() * 1000), int(now.timestamp()) // 60
    await say_whole(redis, piece)
    await redis.hset(AS_OF, str(partition(piece, EVENTS.partitions)), now_ms - 1500)
    await count_in_redis(redis, team, piece, [Cell("web", "view", 11, 4, 0), Cell("x", "read", 1, 0, 2500)])
    await count_in_redis(redis, team, piece, [Cell("web", "view", 2, 0, 0)], minute - 3)
    field = ("facebook|share", now_ms - 60_000, 42)
    assert await redis.eval(KEEP_LATEST, 1, snapshots_key(team.id, piece), *field) == 1
    stats = await ask(client, team, piece)
    assert stats["source"] == "redis"
    assert (stats["totals"], stats["readers"]) == ({"read": 1, "view": 11}, {"read": 1, "view": 7})
    assert (stats["values"], stats["by_platform"]) == ({"read": 2.5}, {"web": {"view": 11}, "x": {"read": 1}})
    assert [row["counts"] for row in stats["last_60_minutes"]] == [{"view": 2}]
    assert stats["snapshots"]["facebook"]["share"]["count"] == 42
    assert 60 <= stats["snapshots"]["facebook"]["share"]["age_seconds"] <= 70
    assert datetime.fromisoformat(stats["as_of"]).timestamp() * 1000 == pytest.approx(now_ms - 1500, abs=1)


async def test_all_is_read_from_clickhouse_where_redis_has_nothing(client, team, piece, redis, settings, now) -> None:
    minute = now.replace(second=0, microsecond=0)
    rows = [
        [team.id, piece, minute - timedelta(days=3), "web", "view", 100, 10, 0],
        [team.id, piece, minute - timedelta(minutes=5), "web", "view", 7, 1, 0],
        [team.id, piece, minute - timedelta(minutes=5), "x", "read", 2, 0, 1500],
        [UUID(int=1), piece, minute, "web", "view", 1_000_000, 0, 0],
    ]
    in_clickhouse(settings, "engagement_minutes", MINUTES, rows)
    captured = [[team.id, piece, "facebook", "share", now - timedelta(hours=hours), 50 - hours] for hours in (5, 1, 3)]
    columns = ["organization_id", "content_id", "platform", "kind", "captured_at", "count"]
    in_clickhouse(settings, "engagement_snapshots", columns, captured)
    stats = await ask(client, team, piece)
    assert stats["source"] == "clickhouse"
    assert (stats["totals"], stats["readers"]) == ({"read": 2, "view": 107}, {"read": 2, "view": 96})
    assert stats["values"] == {"read": 1.5}
    assert [row["counts"] for row in stats["last_60_minutes"]] == [{"read": 2, "view": 7}]
    assert datetime.fromisoformat(stats["last_60_minutes"][0]["minute"]) == minute - timedelta(minutes=5)
    assert stats["snapshots"]["facebook"]["share"]["count"] == 49
    assert stats["as_of"] is None


async def test_minutes_come_from_clickhouse_while_redis_may_have_missed_some(
    client, team, piece, redis, settings, now
) -> None:
    minute = int(now.timestamp()) // 60
    await count_in_redis(redis, team, piece, [Cell("web", "view", 9, 0, 0)])
    await count_in_redis(redis, team, piece, [Cell("web", "view", 1, 0, 0)], minute - 1)
    at = datetime.fromtimestamp((minute - 1) * 60, UTC)
    in_clickhouse(settings, "engagement_minutes", MINUTES, [[team.id, piece, at, "web", "view", 9, 0, 0]])
    stats = await ask(client, team, piece)
    assert (stats["source"], stats["totals"]) == ("redis", {"view": 9})
    assert [row["counts"] for row in stats["last_60_minutes"]] == [{"view": 9}]


async def test_a_piece_that_nobody_has_read_has_empty_numbers(client, team, piece, redis) -> None:
    stats = await ask(client, team, piece)
    assert stats == {
        "content_id": str(piece),
        "totals": {},
        "readers": {},
        "values": {},
        "by_platform": {},
        "last_60_minutes": [],
        "snapshots": {},
        "as_of": None,
        "source": "clickhouse",
    }


async def test_without_redis_clickhouse_answers_alone(settings, team, piece, now, caplog) -> None:
    in_clickhouse(settings, "engagement_minutes", MINUTES, [[team.id, piece, now, "web", "view", 3, 0, 0]])
    stats = await ask_elsewhere(settings, team, piece, redis_url=SecretStr("redis://127.0.0.1:1/0"))
    assert (stats.status_code, stats.json()["totals"]) == (200, {"view": 3})
    assert "Redis does not answer" in caplog.text


async def test_without_clickhouse_complete_numbers_in_redis_are_answered_and_others_are_503(
    settings, team, piece, redis, now
) -> None:
    away = {"clickhouse_url": SecretStr("http://127.0.0.1:1/default")}
    assert (await ask_elsewhere(settings, team, piece, **away)).status_code == 503
    await say_whole(redis, piece)
    await count_in_redis(redis, team, piece, [Cell("web", "view", 9, 0, 0)])
    stats = await ask_elsewhere(settings, team, piece, **away)
    assert (stats.status_code, stats.json()["totals"]) == (200, {"view": 9})


async def ask_elsewhere(settings, team, piece: UUID, **addresses: SecretStr) -> httpx2.Response:
    """Ask an application whose stores are elsewhere."""
    app = create_app(settings.model_copy(update=addresses))
    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://api") as client:
            return await client.get(f"/api/v1/content/{piece}/stats", headers=team.viewer.headers)
