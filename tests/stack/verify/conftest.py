"""Every store, filled alike; and the command that compares them."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
import redis.asyncio
from click.testing import Result
from clickhouse_connect.driver.client import Client
from pydantic import SecretStr
from typer.testing import CliRunner

import wire.clickhouse
import wire.postgres
import wire.redis
from analytics.migrate import migrate
from stack import environment
from stack.__main__ import application
from stack.figures import Counter, Place, Stores
from stack.verify import Outcome, verify
from tests.databases import empty_clickhouse, migrated_postgres
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


Command = Callable[..., Awaitable[Result]]


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


@pytest.fixture(scope="session")
def clickhouse_url(servers: Any) -> Iterator[SecretStr]:
    with empty_clickhouse(servers.clickhouse_url) as url:
        yield url


async def make_organization(connection: asyncpg.Connection, id_: UUID) -> None:
    """An organization with one user."""
    await connection.execute("INSERT INTO organizations (id, name, slug) VALUES ($1, 'Verify', $2)", id_, id_.hex)
    await connection.execute(
        "INSERT INTO users (organization_id, email, role, password_hash) VALUES ($1, $2, 'editor', '')",
        id_,
        f"{id_.hex}@example.org",
    )


@pytest.fixture(scope="session")
def postgres(servers: Any) -> Iterator[Settings]:
    with migrated_postgres(servers.postgres_url) as settings:
        yield settings


@pytest.fixture
async def system(servers: Any, clickhouse_url: SecretStr, postgres: Settings) -> AsyncIterator[System]:
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


@pytest.fixture
def tallywire(system: System, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command `tallywire verify` on these stores."""
    monkeypatch.setattr(environment, "load", lambda _data: system.settings)
    return lambda *words: asyncio.to_thread(CliRunner().invoke, application(), ["verify", *words])
