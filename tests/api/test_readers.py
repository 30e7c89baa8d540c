"""GET /content/{id}/readers: distinct actors a day, equal to an independent count, exact or within the stated error."""

import random
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

import wire.clickhouse
from api.content import readers

DAY = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
async def piece(client, team) -> UUID:
    body = {"type": "custom", "title": "t"}
    return UUID((await client.post("/api/v1/content", json=body, headers=team.editor.headers)).json()["id"])


@pytest.fixture
def clickhouse(settings) -> Any:
    client = wire.clickhouse.client(settings.clickhouse_url)
    yield client
    client.close()


def store(client, organization: UUID, content: UUID, events: list[tuple[UUID, datetime, str, bool]]) -> None:
    """Events (id, minute, actor, robot) in the ledger, and in the aggregates."""
    columns = ["organization_id", "content_id", "minute", "id", "kind", "platform", "robot", "actor", "precedence"]
    rows = [[organization, content, at, id_, "view", "web", robot, actor, 1] for id_, at, actor, robot in events]
    client.insert("engagement_events", rows, columns)
    minutes: dict[datetime, set[UUID]] = defaultdict(set)
    for id_, at, *_ in events:
        minutes[at].add(id_)
    counts = [[organization, content, at, "web", "view", len(ids), 0, 0] for at, ids in minutes.items()]
    names = ["organization_id", "content_id", "minute", "platform", "kind", "count", "robots", "value"]
    client.insert("engagement_minutes", counts, names)


async def get(client, team, piece: UUID, **query: Any) -> Any:
    answer = await client.get(f"/api/v1/content/{piece}/readers", params=query, headers=team.viewer.headers)
    assert answer.status_code == 200, answer.text
    return answer.json()["days"]


@pytest.mark.parametrize("seed", range(3))
async def test_readers_are_the_distinct_actors_of_a_day_whatever_came_twice_late_or_again(
    client, team, piece, clickhouse, seed
) -> None:
    chance = random.Random(seed)
    events = [
        (
            uuid4(),
            DAY + timedelta(minutes=chance.randrange(3 * 24 * 60)),
            chance.choice(["", *(f"reader-{n}" for n in range(90)), "ü\x00"]),
            chance.random() < 0.2,
        )
        for _ in range(600)
    ]
    batch = [*events, *chance.choices(events, k=200)]
    chance.shuffle(batch)
    for at in range(0, len(batch), 150):
        store(clickhouse, team.id, piece, batch[at : at + 150])
    store(clickhouse, team.id, uuid4(), [(uuid4(), DAY, "of another piece", False)])
    store(clickhouse, uuid4(), piece, [(uuid4(), DAY, "of another organization", False)])
    expected = [
        {
            "day": day.date().isoformat(),
            "readers": len({actor for _, at, actor, robot in events if day <= at < end and actor and not robot}),
            "exact": True,
            "standard_error": 0,
            "events": sum(day <= at < end for _, at, *_ in events),
            "robots": sum(robot for _, at, _, robot in events if day <= at < end),
            "unknown": sum(not actor and not robot for _, at, actor, robot in events if day <= at < end),
        }
        for day, end in ((DAY + timedelta(days=n), DAY + timedelta(days=n + 1)) for n in range(3))
    ]
    assert await get(client, team, piece, **{"from": "2026-03-01", "to": "2026-03-03"}) == expected
    assert await get(client, team, piece, **{"from": "2026-03-02", "to": "2026-03-02"}) == expected[1:2]
    assert await get(client, team, piece) == []


async def test_a_day_with_more_events_than_the_stated_number_is_estimated_and_says_so(
    client, team, piece, clickhouse, monkeypatch
) -> None:
    monkeypatch.setattr(readers, "EXACT_UP_TO", 1_000)
    insert = """
        INSERT INTO {table} SELECT {{o:UUID}}, {{c:UUID}}, {columns}
    """
    asked = {"o": team.id, "c": piece}
    ledger = insert.format(
        table="engagement_events (organization_id, content_id, minute, id, kind, platform, actor, precedence)",
        columns="toDateTime('2026-03-01 10:00:00', 'UTC') + 86400 * (number < 500), generateUUIDv4(), 'view', 'web', "
        "concat('reader ', toString(intDiv(number, 2))), 1 FROM numbers(200500)",
    )
    minutes = insert.format(
        table="engagement_minutes (organization_id, content_id, minute, platform, kind, count)",
        columns="toDateTime('2026-03-01 10:00:00', 'UTC') + 86400 * number, 'web', 'view', if(number = 1, 500, 200000) "
        "FROM numbers(2)",
    )
    for statement in (ledger, minutes):
        clickhouse.command(statement, asked)
    many, few = await get(client, team, piece, **{"from": "2026-03-01", "to": "2026-03-07"})
    assert (many["exact"], many["standard_error"]) == (False, readers.STANDARD_ERROR)
    assert abs(many["readers"] - 100_000) < 100_000 * 4 * readers.STANDARD_ERROR
    assert (few["exact"], few["readers"], few["standard_error"]) == (True, 250, 0)


@pytest.mark.parametrize(
    "query",
    [
        {"from": "2026-03-02", "to": "2026-03-01"},
        {"from": "2026-01-01", "to": "2026-03-01"},
        {"from": "yesterday"},
        {"from": "1969-12-31"},
        {"since": "2026-03-01"},
    ],
)
async def test_days_that_are_no_range_are_refused(client, team, piece, query) -> None:
    answer = await client.get(f"/api/v1/content/{piece}/readers", params=query, headers=team.viewer.headers)
    assert answer.status_code == 400, answer.text


def test_days_that_are_not_named_are_a_week_up_to_today() -> None:
    today = date(2026, 3, 9)
    query = readers.ReadersQuery
    assert query().days(today) == (date(2026, 3, 3), today)
    assert query.model_validate({"to": "2026-03-05"}).days(today) == (date(2026, 2, 27), date(2026, 3, 5))
    assert query.model_validate({"from": "2026-03-05"}).days(today) == (date(2026, 3, 5), today)
    assert query.model_validate({"from": "2026-01-01"}).days(today) == (date(2026, 1, 1), date(2026, 1, 31))
