"""GET /accounts, /rejections and /rejections/reasons: the balance comes out, and only one's own is seen."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from pydantic import SecretStr

import wire.clickhouse
from api.app import create_app
from wire.ids import new_id

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
EPOCH = int(NOON.timestamp())
"""A log was lost, and the next was born at noon; the others in this database are older."""


@pytest.fixture
def clickhouse(settings) -> Any:
    client = wire.clickhouse.client(settings.clickhouse_url)
    columns = ["topic", "epoch", "partition", "next_offset"]
    client.insert("stream_positions", [["engagement.events.v1", EPOCH, 0, 1]], columns)
    yield client
    client.close()


def claim(client, organization: UUID, minutes: int, collector: UUID, accepted: int, last: datetime) -> None:
    rows = [[organization, NOON + timedelta(minutes=minutes), collector, accepted, last]]
    client.insert("accepted_events", rows, ["organization_id", "window", "collector", "accepted", "last_at"])


def count(client, organization: UUID, minutes: int, collector: UUID, position: int, *fates: int) -> None:
    columns = ["organization_id", "window", "partition", "position", "collector", "stored", "duplicate", "rejected"]
    rows = [[organization, NOON + timedelta(minutes=minutes), 3, position, collector, *fates]]
    client.insert("counted_events", rows, columns)


def reject(client, organization: UUID, rows: list[tuple[UUID, str, datetime]]) -> None:
    columns = ["id", "organization_id", "source", "place", "reason", "detail", "sample", "rejected_at"]
    listed = [[id_, organization, "http", 1, reason, "because", "{}", at] for id_, reason, at in rows]
    client.insert("rejections", listed, columns)


async def get(client: httpx2.AsyncClient, person: Any, path: str, **query: Any) -> Any:
    answer = await client.get(f"/api/v1{path}", params=query, headers=person.headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def accounts(client: httpx2.AsyncClient, team: Any, **query: Any) -> Any:
    window = {"since": NOON.isoformat(), "until": (NOON + timedelta(hours=1)).isoformat()} | query
    return await get(client, team.org_admin, "/accounts", **window)


def balance(accepted: int, stored: int, duplicate: int, rejected: int, in_flight: int, lost: int) -> dict[str, int]:
    return {
        **{"accepted": accepted, "stored": stored, "duplicate": duplicate},
        **{"rejected": rejected, "in_flight": in_flight, "lost": lost},
    }


async def test_what_is_claimed_and_not_counted_is_in_flight_and_what_is_counted_and_not_claimed_was_accepted(
    client, team, strangers, clickhouse
) -> None:
    alive, killed, later = uuid4(), uuid4(), NOON + timedelta(hours=2)
    for grown in (90, 100, 40):
        claim(clickhouse, team.id, 5, alive, grown, later)
    for _ in range(2):
        count(clickhouse, team.id, 5, alive, 1, 50, 7, 3)
    claim(clickhouse, team.id, 5, killed, 10, later)
    count(clickhouse, team.id, 5, killed, 2, 12, 0, 0)
    claim(clickhouse, team.id, 10, alive, 5, later)
    count(clickhouse, strangers.id, 5, alive, 1, 1000, 0, 0)
    found = await accounts(client, team)
    assert [(one["window"], one["accepted"], one["in_flight"]) for one in found["windows"]] == [
        ("2026-03-01T12:05:00Z", 112, 40),
        ("2026-03-01T12:10:00Z", 5, 5),
    ]
    assert found["total"] == balance(accepted=117, stored=62, duplicate=7, rejected=3, in_flight=45, lost=0)


async def test_what_was_on_its_way_in_a_log_that_was_lost_is_lost_and_no_longer_in_flight(
    client, team, clickhouse
) -> None:
    before, after = uuid4(), uuid4()
    claim(clickhouse, team.id, -5, before, 20, NOON - timedelta(seconds=9))
    count(clickhouse, team.id, -5, before, 1, 15, 0, 0)
    claim(clickhouse, team.id, 0, after, 4, NOON + timedelta(seconds=9))
    found = await accounts(client, team, since=(NOON - timedelta(hours=1)).isoformat())
    assert found["total"] == balance(accepted=24, stored=15, duplicate=0, rejected=0, in_flight=4, lost=5)


async def test_refusals_stand_beside_the_window_in_which_they_came_and_alone_where_nothing_was_accepted(
    client, team, clickhouse
) -> None:
    count(clickhouse, team.id, 5, uuid4(), 1, 1, 0, 0)
    times = [NOON + timedelta(minutes=m) for m in (5, 9, 31)]
    reject(clickhouse, team.id, [(new_id(), reason, at) for at in times for reason in ("too_old", "invalid_id")])
    windows = (await accounts(client, team))["windows"]
    assert [(one["window"][11:16], one["accepted"], one["refused"]) for one in windows] == [
        ("12:05", 1, {"invalid_id": 2, "too_old": 2}),
        ("12:30", 0, {"invalid_id": 1, "too_old": 1}),
    ]


@pytest.mark.parametrize("seed", range(3))
async def test_the_balance_comes_out_whatever_was_claimed_and_counted(client, make_team, clickhouse, seed) -> None:
    chance, team = random.Random(seed), await make_team()
    collectors, claimed, found = [uuid4() for _ in range(3)], Counter(), Counter()
    for position in range(40):
        collector, minutes = chance.choice(collectors), chance.choice([0, 5, 10])
        fates = [chance.randint(0, 5) for _ in range(3)]
        found[collector, minutes] += sum(fates)
        claimed[collector, minutes] += sum(fates) + chance.choice([0, 0, 3, -2])
        count(clickhouse, team.id, minutes, collector, position, *fates)
    for (collector, minutes), accepted in claimed.items():
        claim(clickhouse, team.id, minutes, collector, max(0, accepted), NOON + timedelta(hours=1))
    total = (await accounts(client, team))["total"]
    assert total["accepted"] == sum(max(n, found[of]) for of, n in claimed.items())
    parts = ("stored", "duplicate", "rejected", "in_flight", "lost")
    assert total["accepted"] == sum(total[part] for part in parts)


@pytest.mark.parametrize(
    "query",
    [
        {"since": "2026-01-01T00:00:00Z", "until": "2026-03-01T00:00:00Z"},
        {"since": "2026-03-02T00:00:00Z", "until": "2026-03-01T00:00:00Z"},
        {"since": "2026-03-02T00:00:00"},
        {"since": "1066-10-14T09:00:00Z"},
        {"colour": "red"},
    ],
)
async def test_a_range_that_is_none_is_refused(client, team, query) -> None:
    answer = await client.get("/api/v1/accounts", params=query, headers=team.org_admin.headers)
    assert answer.status_code == 400, answer.text


async def test_rejections_are_listed_page_by_page_each_once_though_many_are_of_one_moment(
    client, team, strangers, clickhouse
) -> None:
    moments = [NOON + timedelta(seconds=n // 9, milliseconds=n // 9) for n in range(25)]
    rows = [(new_id(), ("too_old", "invalid_id")[n % 2], at) for n, at in enumerate(moments)]
    reject(clickhouse, team.id, rows)
    reject(clickhouse, strangers.id, [(new_id(), "not_mine", NOON)])
    reject(clickhouse, UUID(int=0), [(new_id(), "undecodable_envelope", NOON)])
    seen, query = [], {"limit": 4}
    for _ in range(8):
        page = await get(client, team.org_admin, "/rejections", **query)
        seen += page["items"]
        if page["next_before"] is None:
            break
        query["before"] = page["next_before"]
    assert sorted(one["id"] for one in seen) == sorted(str(id_) for id_, *_ in rows)
    times = [datetime.fromisoformat(one["rejected_at"]) for one in seen]
    assert times == sorted(moments, reverse=True)
    since = (NOON + timedelta(seconds=2)).isoformat()
    only = await get(client, team.super_admin, "/rejections", reason="too_old", since=since)
    assert len(only["items"]) == sum(r == "too_old" and at >= moments[18] for _, r, at in rows)
    reasons = await get(client, team.org_admin, "/rejections/reasons")
    assert [(one["reason"], one["count"]) for one in reasons] == [("too_old", 13), ("invalid_id", 12)]


@pytest.mark.parametrize("before", ["", "7", "x-y", "5-" + "g" * 32, "1-" + "0" * 31])
async def test_a_cursor_that_is_none_is_refused(client, team, before) -> None:
    answer = await client.get("/api/v1/rejections", params={"before": before}, headers=team.org_admin.headers)
    assert answer.status_code == 400


@pytest.mark.parametrize("path", ["/accounts", "/rejections", "/rejections/reasons"])
async def test_without_clickhouse_it_is_503(settings, team, path) -> None:
    app = create_app(settings.model_copy(update={"clickhouse_url": SecretStr("http://127.0.0.1:1/default")}))
    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://api") as client:
            answer = await client.get(f"/api/v1{path}", headers=team.org_admin.headers)
    assert answer.status_code == 503
