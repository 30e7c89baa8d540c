"""Every store is filled alike, and then each figure in turn is made wrong."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import pytest
import redis.asyncio
from clickhouse_connect.driver.client import Client
from pydantic import SecretStr
from typer.testing import CliRunner

import wire.clickhouse
import wire.postgres
import wire.redis
from analytics.migrate import migrate
from api.migrate import migrate as migrate_postgres
from stack import environment
from stack.__main__ import application
from stack.figures import Counter, Place, Stores
from stack.verify import (
    ACCOUNTS,
    AGGREGATE,
    AGGREGATE_MINUTES,
    BALANCE,
    LOG,
    PAIRS,
    POSTGRES,
    REDIS,
    REDIS_MINUTES,
    SNAPSHOTS_POSTGRES,
    SNAPSHOTS_REDIS,
    Difference,
    Outcome,
    in_flight,
    verify,
)
from wire.counters import Cell, encode_cells, position_key, snapshots_key
from wire.settings import Settings
from wire.topics import EVENTS

NOW = datetime(2026, 3, 1, 12, 30, 20, tzinfo=UTC)
RECENT, OLD = NOW - timedelta(minutes=3), NOW - timedelta(days=2)
REDIS_DATABASE = 5
MAKE_CONTENT = """
INSERT INTO content (id, organization_id, creator_id, type, title, engagement_stats, engagement_version)
SELECT $1, users.organization_id, users.id, 'custom', 'A title', $3, $4 FROM users WHERE organization_id = $2
"""
LEDGER = [
    *("organization_id", "content_id", "minute", "id", "kind", "platform", "robot", "value", "actor", "attributes"),
    *("received_at", "partition", "precedence"),
]
COUNTED = ["organization_id", "window", "partition", "position", "collector", "stored", "duplicate", "rejected"]
ACCEPTED = ["organization_id", "window", "collector", "accepted", "last_at"]
MINUTES = ["organization_id", "content_id", "minute", "platform", "kind", "count", "robots", "value"]


@dataclass
class System:
    """Three stores that agree, until a test breaks one."""

    clickhouse: Client
    redis: redis.asyncio.Redis
    postgres: asyncpg.Connection
    stores: Stores
    settings: Settings
    organization: UUID = field(default_factory=uuid4)
    pieces: list[UUID] = field(default_factory=list)
    envelopes: int = 0

    async def fill(self, pieces: int) -> None:
        """Pieces with a read of a robot, three views in two minutes (one long ago), and a snapshot."""
        for _ in range(pieces):
            await self._piece(uuid4())

    async def _piece(self, piece: UUID) -> None:
        self.pieces.append(piece)
        self.events(
            self.event(piece, RECENT, "view", "web"),
            self.event(piece, RECENT, "view", "web", value=1500),
            self.event(piece, OLD, "view", "web"),
            self.event(piece, RECENT, "read", "facebook", robot=True, value=7),
        )
        rows = [
            (self.organization, piece, RECENT.replace(second=0), "web", "view", 2, 0, 1500),
            (self.organization, piece, OLD.replace(second=0), "web", "view", 1, 0, 0),
            (self.organization, piece, RECENT.replace(second=0), "facebook", "read", 1, 1, 7),
        ]
        self.clickhouse.insert("engagement_minutes", rows, MINUTES)
        totals = [Cell("web", "view", 3, 0, 1500), Cell("facebook", "read", 1, 1, 7)]
        minute = [Cell("web", "view", 2, 0, 1500), Cell("facebook", "read", 1, 1, 7)]
        await self.count(piece, totals)
        await self.count(piece, minute, RECENT)
        captured = [(self.organization, piece, "facebook", "share", NOW, 9)]
        self.account(4)
        columns = ["organization_id", "content_id", "platform", "kind", "captured_at", "count"]
        self.clickhouse.insert("engagement_snapshots", captured, columns)
        field = f"{int(NOW.timestamp()) * 1000}|9"
        await self.redis.hset(snapshots_key(self.organization, piece), "facebook|share", field)
        stats = {
            "totals": {
                "web": {"view": {"count": 3, "robots": 0, "value": 1500}},
                "facebook": {"read": {"count": 1, "robots": 1, "value": 7}},
            },
            "snapshots": {"facebook": {"share": {"count": 9, "captured_at": NOW.isoformat()}}},
        }
        await self.postgres.execute(MAKE_CONTENT, piece, self.organization, json.dumps(stats), 4)

    def event(
        self, piece: UUID, at: datetime, kind: str, platform: str, *, robot: bool = False, value: int = 0
    ) -> tuple[Any, ...]:
        minute = at.replace(second=0, microsecond=0)
        return (self.organization, piece, minute, uuid4(), kind, platform, robot, value, "", "", NOW, 1, 1)

    def events(self, *rows: tuple[Any, ...]) -> None:
        self.clickhouse.insert("engagement_events", rows, LEDGER)

    def account(self, stored: int, accepted: int = 5, last_at: datetime = NOW) -> None:
        """An envelope of `stored` events and a duplicate, from a collector of its own that claims `accepted`."""
        collector, at = uuid4(), NOW.replace(minute=30, second=0)
        self.envelopes += 1
        rows = [(self.organization, at, 1, self.envelopes, collector, stored, 1, 0)]
        self.clickhouse.insert("counted_events", rows, COUNTED)
        claims = [(self.organization, at, collector, accepted, last_at)]
        self.clickhouse.insert("accepted_events", claims, ACCEPTED)

    def counter(self, piece: UUID, at: datetime | None = None) -> tuple[str, bytes]:
        """Where Redis counts a piece, or a minute of it."""
        counter = Counter((self.organization, piece), int(at.timestamp()) // 60 if at else None)
        return counter.key, counter.field

    async def count(self, piece: UUID, cells: list[Cell], at: datetime | None = None) -> None:
        await self.redis.hset(*self.counter(piece, at), encode_cells(cells))

    async def verify(self, **options: Any) -> Outcome:
        return await verify(self.stores, **{"wait_s": 0, "every": True, "now": lambda: NOW} | options)

    def at(self, platform: str, kind: str, minute: datetime | None = None) -> Place:
        unix = int(minute.timestamp()) // 60 if minute else None
        return Place(Counter((self.organization, self.pieces[0]), unix), platform, kind)


@pytest.fixture(scope="module")
def clickhouse_url(servers: Any) -> Iterator[str]:
    name = f"verify_{uuid4().hex[:12]}"
    admin = wire.clickhouse.client(SecretStr(f"{servers.clickhouse_url}/default"))
    admin.command(f"CREATE DATABASE {name}")
    yield f"{servers.clickhouse_url}/{name}"
    admin.command(f"DROP DATABASE {name}")
    admin.close()


async def execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


async def make_organization(connection: asyncpg.Connection, id_: UUID) -> None:
    """An organization with one user."""
    await connection.execute("INSERT INTO organizations (id, name, slug) VALUES ($1, 'Verify', $2)", id_, id_.hex)
    await connection.execute(
        "INSERT INTO users (organization_id, email, role, password_hash) VALUES ($1, $2, 'editor', '')",
        id_,
        f"{id_.hex}@example.org",
    )


@pytest.fixture(scope="module")
def postgres(servers: Any) -> Iterator[Settings]:
    """A database as the API makes it, and the roles of its own that may enter."""
    name = f"verify_{uuid4().hex[:8]}"
    at = urlsplit(servers.postgres_url)
    as_role = f"postgresql://{{role}}:pw@{at.hostname}:{at.port}/{name}"
    settings = Settings(
        postgres_url=f"{servers.postgres_url.rsplit('/', 1)[0]}/{name}",
        postgres_app_url=as_role.format(role=f"{name}_app"),
        postgres_relay_url=as_role.format(role=f"{name}_relay"),
    )
    asyncio.run(execute(servers.postgres_url, f"CREATE DATABASE {name}"))
    migrate_postgres(settings)
    yield settings
    roles = [f"DROP ROLE {name}_{role}" for role in ("app", "relay")]
    asyncio.run(execute(servers.postgres_url, f"DROP DATABASE {name} WITH (FORCE)", *roles))


@pytest.fixture
async def system(servers: Any, clickhouse_url: str, postgres: Settings) -> AsyncIterator[System]:
    settings = Settings(
        clickhouse_url=clickhouse_url,
        postgres_relay_url=postgres.postgres_relay_url,
        redis_url=f"{servers.redis_url}/{REDIS_DATABASE}",
    )
    async with AsyncExitStack() as doors:
        clickhouse = wire.clickhouse.client(settings.clickhouse_url)
        doors.callback(clickhouse.close)
        asking = await wire.clickhouse.async_client(settings.clickhouse_url)
        doors.push_async_callback(asking.close)
        store = wire.redis.client(settings.redis_url)
        doors.push_async_callback(store.aclose)
        reading = await wire.postgres.pool(settings.postgres_relay_url, max_size=1)
        doors.push_async_callback(reading.close)
        owner = await asyncpg.connect(postgres.postgres_url.get_secret_value())
        doors.push_async_callback(owner.close)
        made = System(clickhouse, store, owner, Stores(asking, store, reading), settings)
        await empty(made)
        await made.fill(3)
        yield made


async def empty(system: System) -> None:
    """An organization with a user, and nothing else anywhere."""
    migrate(system.clickhouse)
    tables = ("engagement_events", "engagement_minutes", "engagement_snapshots")
    for table in (*tables, "counted_events", "accepted_events", "stream_positions"):
        system.clickhouse.command(f"TRUNCATE TABLE {table}")
    await system.redis.flushdb()
    await say_whole(system)
    await system.postgres.execute("TRUNCATE organizations, users, content CASCADE")
    await make_organization(system.postgres, system.organization)


async def say_whole(system: System) -> None:
    await system.redis.mset({position_key(of): 1 for of in range(EVENTS.partitions)})


async def test_stores_that_agree_are_equal_and_every_figure_was_looked_at(system: System) -> None:
    outcome = await system.verify()
    assert not outcome.differences
    assert outcome.compared == {
        LOG: 0,
        AGGREGATE: 3 * 2,
        AGGREGATE_MINUTES: 3 * 3,
        REDIS: 3 * 2,
        REDIS_MINUTES: 3 * 2,
        POSTGRES: 3 * 3,
        SNAPSHOTS_REDIS: 3,
        SNAPSHOTS_POSTGRES: 3,
        ACCOUNTS: 1,
        BALANCE: 1,
    }
    assert not any(outcome.not_held.values())


async def test_more_pieces_than_one_batch_are_all_compared(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stack.figures.PIECES_AT_ONCE", 2)
    await system.fill(4)
    outcome = await system.verify()
    assert not outcome.differences
    assert outcome.compared[POSTGRES] == 7 * 3
    assert outcome.compared[AGGREGATE_MINUTES] == 7 * 3


async def lose_a_ledger_row(system: System) -> None:
    system.clickhouse.command(
        "DELETE FROM engagement_events WHERE content_id = {c:UUID} AND kind = 'read'", {"c": system.pieces[0]}
    )


async def add_a_ledger_row(system: System) -> None:
    system.events(system.event(system.pieces[0], OLD, "view", "web"))


async def account_for_one_more(system: System) -> None:
    system.account(1, accepted=2)


async def claim_what_nobody_counted(system: System) -> None:
    system.account(0, accepted=2)


async def grow_an_aggregate(system: System) -> None:
    row = (system.organization, system.pieces[0], OLD.replace(second=0), "web", "view", 2, 0, 0)
    system.clickhouse.insert("engagement_minutes", [row], MINUTES)


async def add_an_aggregate_of_an_unknown_piece(system: System) -> None:
    row = (system.organization, uuid4(), OLD.replace(second=0), "web", "view", 1, 0, 0)
    system.clickhouse.insert("engagement_minutes", [row], MINUTES)


async def change_a_redis_total(system: System) -> None:
    await system.count(system.pieces[0], [Cell("web", "view", 3, 0, 1501), Cell("facebook", "read", 1, 1, 7)])


async def break_a_redis_total(system: System) -> None:
    await system.redis.hset(*system.counter(system.pieces[0]), "[[")


async def lose_a_redis_total(system: System) -> None:
    await system.redis.hdel(*system.counter(system.pieces[0]))


async def add_a_redis_total_of_an_unknown_piece(system: System) -> None:
    await system.count(uuid4(), [Cell("web", "view", 1, 0, 0)])


async def change_a_redis_minute(system: System) -> None:
    cells = [Cell("web", "view", 1, 0, 1500), Cell("facebook", "read", 1, 1, 7)]
    await system.count(system.pieces[0], cells, RECENT)


async def lose_a_redis_minute(system: System) -> None:
    await system.redis.hdel(*system.counter(system.pieces[0], RECENT))


async def add_a_redis_minute(system: System) -> None:
    await system.count(system.pieces[0], [Cell("web", "view", 1, 0, 0)], NOW)


async def change_postgres(system: System) -> None:
    path = "{totals,facebook,read,robots}"
    await system.postgres.execute(
        "UPDATE content SET engagement_stats = jsonb_set(engagement_stats, $1, '0') WHERE id = $2",
        path.strip("{}").split(","),
        system.pieces[0],
    )


async def lower_a_postgres_version(system: System) -> None:
    await system.postgres.execute("UPDATE content SET engagement_version = 3 WHERE id = $1", system.pieces[0])


async def lose_a_postgres_row(system: System) -> None:
    await system.postgres.execute("DELETE FROM content WHERE id = $1", system.pieces[0])


async def give_a_postgres_row_away(system: System) -> None:
    other = uuid4()
    await make_organization(system.postgres, other)
    await system.postgres.execute("SET session_replication_role = replica")  # the gate would refuse it
    await system.postgres.execute(
        "UPDATE content SET organization_id = $1, creator_id = users.id FROM users "
        "WHERE content.id = $2 AND users.organization_id = $1",
        other,
        system.pieces[0],
    )


async def add_postgres_stats_of_an_unknown_piece(system: System) -> None:
    stats = json.dumps({"totals": {"web": {"view": {"count": 1, "robots": 0, "value": 0}}}})
    await system.postgres.execute(MAKE_CONTENT, uuid4(), system.organization, stats, 1)


async def change_a_redis_snapshot(system: System) -> None:
    key = snapshots_key(system.organization, system.pieces[0])
    await system.redis.hset(key, "facebook|share", f"{int(NOW.timestamp()) * 1000}|8")


async def change_a_postgres_snapshot(system: System) -> None:
    await system.postgres.execute(
        "UPDATE content SET engagement_stats = jsonb_set(engagement_stats, $1, '10') WHERE id = $2",
        ["snapshots", "facebook", "share", "count"],
        system.pieces[0],
    )


Break = Callable[[System], Awaitable[None]]


@pytest.mark.parametrize(
    ("break_it", "pairs"),
    [
        (lose_a_ledger_row, {AGGREGATE, AGGREGATE_MINUTES, REDIS, REDIS_MINUTES, POSTGRES, ACCOUNTS}),
        (add_a_ledger_row, {AGGREGATE, AGGREGATE_MINUTES, REDIS, POSTGRES, ACCOUNTS}),
        (account_for_one_more, {ACCOUNTS}),
        (claim_what_nobody_counted, {BALANCE}),
        (grow_an_aggregate, {AGGREGATE, AGGREGATE_MINUTES}),
        (add_an_aggregate_of_an_unknown_piece, {AGGREGATE, AGGREGATE_MINUTES, POSTGRES}),
        (change_a_redis_total, {REDIS}),
        (break_a_redis_total, {REDIS}),
        (lose_a_redis_total, {REDIS}),
        (add_a_redis_total_of_an_unknown_piece, {REDIS, POSTGRES}),
        (change_a_redis_minute, {REDIS_MINUTES}),
        (lose_a_redis_minute, {REDIS_MINUTES}),
        (add_a_redis_minute, {REDIS_MINUTES}),
        (change_postgres, {POSTGRES}),
        (lower_a_postgres_version, {POSTGRES}),
        (lose_a_postgres_row, {POSTGRES}),
        (give_a_postgres_row_away, {POSTGRES, SNAPSHOTS_POSTGRES}),
        (add_postgres_stats_of_an_unknown_piece, {POSTGRES}),
        (change_a_redis_snapshot, {SNAPSHOTS_REDIS}),
        (change_a_postgres_snapshot, {SNAPSHOTS_POSTGRES}),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
async def test_one_wrong_figure_is_found_where_it_is(system: System, break_it: Break, pairs: set[str]) -> None:
    await break_it(system)
    outcome = await system.verify()
    assert {each.pair for each in outcome.differences} == pairs
    others = [each for each in outcome.differences if each.place.counter.piece[1] in system.pieces[1:]]
    assert not others


async def test_a_difference_says_where_and_what_each_store_holds(system: System) -> None:
    await change_a_redis_total(system)
    (difference,) = (await system.verify()).differences
    assert difference == Difference(REDIS, system.at("web", "view"), (3, 0, 1500), (3, 0, 1501))


async def test_a_late_event_in_a_minute_that_nobody_watches_is_no_difference(system: System) -> None:
    held = (await system.verify()).compared[REDIS_MINUTES]
    await system.count(system.pieces[0], [Cell("web", "view", 1, 0, 0)], OLD)
    system.events(system.event(system.pieces[0], OLD, "view", "web"), system.event(system.pieces[0], OLD, "read", "x"))
    outcome = await system.verify()
    assert REDIS_MINUTES not in {each.pair for each in outcome.differences}
    assert outcome.compared[REDIS_MINUTES] > held


async def test_a_minute_that_nobody_watches_and_that_has_too_many_is_a_difference(system: System) -> None:
    await system.count(system.pieces[0], [Cell("web", "view", 99, 0, 0)], OLD)
    assert REDIS_MINUTES in {each.pair for each in (await system.verify()).differences}


async def test_an_emptied_redis_is_not_held_and_no_difference(system: System) -> None:
    await system.redis.flushdb()
    outcome = await system.verify()
    assert not outcome.differences
    assert outcome.not_held == dict.fromkeys(PAIRS, 0) | {REDIS: 3, REDIS_MINUTES: 3, SNAPSHOTS_REDIS: 3}


async def test_what_a_lost_log_took_with_it_is_told_and_no_difference(system: System) -> None:
    system.account(0, accepted=8, last_at=NOW - timedelta(hours=1))
    system.clickhouse.insert(
        *("stream_positions", [(EVENTS.name, int(NOW.timestamp()) - 60, 0, 1)]),
        ["topic", "epoch", "partition", "next_offset"],
    )
    outcome = await system.verify()
    assert not outcome.differences
    assert outcome.not_held[BALANCE] == 7


async def test_what_nobody_counted_is_told_in_a_sentence(system: System, tallywire: Callable[..., Any]) -> None:
    system.account(0, accepted=9)
    done = await _invoked(tallywire, "--no-log", "--wait", "0")
    assert done.exit_code == 1
    where = f"organization {system.organization}"
    assert f"{where}: accepted 24, counted 16 (the rest is on its way, or nothing counts)" in done.output


async def test_it_stops_at_the_first_difference_unless_told_to_go_on(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stack.figures.PIECES_AT_ONCE", 1)
    await system.postgres.execute("UPDATE content SET engagement_version = 3")
    assert len((await system.verify(every=False)).differences) == 1
    assert len((await system.verify(every=True)).differences) == 3


async def test_a_figure_on_its_way_is_waited_for_and_a_wrong_one_is_not_forgiven(system: System) -> None:
    await add_a_ledger_row(system)
    looks = 0

    async def arrive(_: Any = None) -> None:
        nonlocal looks
        looks += 1
        if looks == 1:  # the projections catch up after the first look
            await grow_an_aggregate(system)
            await account_for_one_more(system)
            totals = [Cell("web", "view", 4, 0, 1500), Cell("facebook", "read", 1, 1, 7)]
            await system.count(system.pieces[0], totals)
            await system.postgres.execute(
                "UPDATE content SET engagement_version = 5, "
                "engagement_stats = jsonb_set(engagement_stats, $1, '4') WHERE id = $2",
                ["totals", "web", "view", "count"],
                system.pieces[0],
            )

    patched = pytest.MonkeyPatch()
    patched.setattr("stack.verify.Patience.pause", _pausing(arrive))
    assert not (await system.verify(wait_s=10)).differences
    assert looks == 1
    await system.count(system.pieces[0], [Cell("web", "view", 5, 0, 1500), Cell("facebook", "read", 1, 1, 7)])
    assert [each.place for each in (await system.verify(wait_s=10)).differences] == [system.at("web", "view")]
    patched.undo()


def _pausing(during: Callable[[], Awaitable[None]]) -> Any:
    """Waits of no time, three at most, in each of which something happens."""
    left = 3

    async def pause(_: Any) -> bool:
        nonlocal left
        left -= 1
        await during()
        return left > 0

    return pause


def test_only_a_figure_between_the_ledgers_two_is_in_flight() -> None:
    place = Place(Counter((UUID(int=1), UUID(int=2))), "web", "view")

    def flies(first: tuple[int, ...], found: tuple[int, ...], now: tuple[int, ...]) -> bool:
        return in_flight(first, Difference(REDIS, place, now, found))

    assert flies((3, 0, 0), (4, 0, 0), (5, 0, 0))
    assert flies((), (), (1, 0, 0))
    assert not flies((3, 0, 0), (3, 0, 0), (3, 0, 0))
    assert not flies((3, 0, 0), (2, 0, 0), (5, 0, 0))
    assert not flies((3, 0, 0), (6, 0, 0), (5, 0, 0))
    assert not flies((3, 0, 0), (5, 1, 0), (5, 0, 0))


@pytest.fixture
def tallywire(system: System, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    monkeypatch.setattr(environment, "load", lambda _data: system.settings)
    return lambda *words: CliRunner().invoke(application(), ["verify", *words])


async def _invoked(tallywire: Callable[..., Any], *words: str) -> Any:
    return await asyncio.to_thread(tallywire, *words)


async def test_the_command_says_how_much_it_compared(system: System, tallywire: Callable[..., Any]) -> None:
    done = await _invoked(tallywire, "--no-log", "--wait", "0")
    assert done.exit_code == 0, done.output
    assert "figures agree" in done.output
    done = await _invoked(tallywire, "--no-log", "--wait", "0", "--json")
    said = json.loads(done.stdout)
    assert said["equal"] is True
    assert said["compared"][POSTGRES] == 9


async def test_the_command_fails_with_what_differs(system: System, tallywire: Callable[..., Any]) -> None:
    await change_postgres(system)
    done = await _invoked(tallywire, "--no-log", "--wait", "0")
    assert done.exit_code == 1
    for word in (str(system.organization), str(system.pieces[0]), "facebook read", "robots=1", "robots=0"):
        assert word in done.output
    done = await _invoked(tallywire, "--no-log", "--wait", "0", "--json", "--all")
    assert done.exit_code == 1
    (difference,) = json.loads(done.stdout)["differences"]
    assert (difference["expected"], difference["found"]) == ([1, 1, 7], [1, 0, 7])
