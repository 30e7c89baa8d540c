"""A database of its own, whose owner is no superuser, a vhost, a ClickHouse database, and the application over them."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import UUID

import asyncpg
import clickhouse_connect
import httpx2
import pytest
import structlog
from fastapi import FastAPI
from pydantic import SecretStr

import wire.clickhouse
from analytics.migrate import migrate as migrate_analytics
from api.app import create_app
from api.auth.passwords import Passwords
from api.auth.tokens import ensure_key_file
from api.migrate import migrate
from wire.ids import new_id
from wire.settings import Settings

ROLES = ("super_admin", "org_admin", "editor", "approver", "viewer")
PASSWORD = "correct horse battery staple"
REDIS_DATABASE = 2


@pytest.fixture(scope="session", autouse=True)
def plain_logs() -> Iterator[None]:
    """Logs go to pytest, without the values of local variables."""
    structlog.configure(
        processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer(key_order=["event"])],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    yield
    structlog.reset_defaults()


@dataclass(frozen=True)
class Person:
    """A user, and the headers that sign requests as that user."""

    id: UUID
    email: str
    organization_id: UUID
    headers: dict[str, str]


@dataclass(frozen=True)
class Team:
    """An organization with one person of each role, by role."""

    id: UUID
    people: dict[str, Person] = field(default_factory=dict)

    def __getattr__(self, role: str) -> Person:
        try:
            return self.people[role]
        except KeyError:
            raise AttributeError(role) from None


def with_database(url: str, database: str, user: str, password: str) -> SecretStr:
    at = urlsplit(url)
    return SecretStr(f"postgresql://{user}:{quote(password, safe='')}@{at.hostname}:{at.port}/{database}")


@pytest.fixture(scope="session")
def names() -> dict[str, str]:
    run = secrets.token_hex(4)
    return {role: f"tw_api_{role}_{run}" for role in ("owner", "app", "relay", "import", "database")}


async def run_as_superuser(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


@pytest.fixture(scope="session")
def database(servers: Any, names: dict[str, str]) -> Iterator[str]:
    """The URL of an empty database, its owner an ordinary role; the superuser's URL of it."""
    owner, database = names["owner"], names["database"]
    asyncio.run(
        run_as_superuser(
            servers.postgres_url,
            f"CREATE ROLE {owner} LOGIN CREATEROLE PASSWORD 'owner-pw'",
            f"CREATE DATABASE {database} OWNER {owner}",
        )
    )
    yield servers.postgres_url.rsplit("/", 1)[0] + f"/{database}"
    asyncio.run(
        run_as_superuser(
            servers.postgres_url,
            f"DROP DATABASE {database} WITH (FORCE)",
            *(f"DROP ROLE IF EXISTS {names[role]}" for role in ("app", "relay", "import", "owner")),
        )
    )


@pytest.fixture(scope="session")
def vhost(servers: Any, names: dict[str, str]) -> Iterator[str]:
    at = urlsplit(servers.rabbitmq_url)
    credentials = (at.username or "guest", at.password or "guest")
    with httpx2.Client(base_url=servers.rabbitmq_management_url, auth=credentials) as management:
        management.put(f"/api/vhosts/{names['database']}").raise_for_status()
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        permissions = f"/api/permissions/{names['database']}/{quote(credentials[0])}"
        management.put(permissions, json=everything).raise_for_status()
        yield f"{servers.rabbitmq_url.rstrip('/')}/{names['database']}"
        management.delete(f"/api/vhosts/{names['database']}").raise_for_status()


@pytest.fixture(scope="session")
def clickhouse_url(servers: Any, names: dict[str, str]) -> Iterator[str]:
    at = urlsplit(servers.clickhouse_url)
    admin = clickhouse_connect.get_client(
        host=at.hostname, port=at.port, username=at.username, password=at.password, autogenerate_session_id=False
    )
    admin.command(f"CREATE DATABASE {names['database']}")
    url = f"{servers.clickhouse_url.rstrip('/')}/{names['database']}"
    client = wire.clickhouse.client(SecretStr(url))
    migrate_analytics(client)
    client.close()
    yield url
    admin.command(f"DROP DATABASE {names['database']}")
    admin.close()


@pytest.fixture(scope="session")
def settings(
    servers: Any,
    names: dict[str, str],
    database: str,
    vhost: str,
    clickhouse_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Settings:
    """Addresses of this run's own corner of the servers, the schema migrated."""
    folder: Path = tmp_path_factory.mktemp("api")
    ensure_key_file(folder / "keys.json")
    made = Settings(
        postgres_url=with_database(database, names["database"], names["owner"], "owner-pw"),
        postgres_app_url=with_database(database, names["database"], names["app"], "app pw/with?signs"),
        postgres_relay_url=with_database(database, names["database"], names["relay"], "relay-pw"),
        postgres_import_url=with_database(database, names["database"], names["import"], "import-pw"),
        redis_url=SecretStr(f"{servers.redis_url.rstrip('/')}/{REDIS_DATABASE}"),
        rabbitmq_url=SecretStr(vhost),
        clickhouse_url=SecretStr(clickhouse_url),
        signing_keys_file=folder / "keys.json",
        encryption_keys=SecretStr(secrets.token_urlsafe(24)),
        state_dir=folder,
    )
    migrate(made)
    return made


@pytest.fixture(scope="session")
async def superuser(database: str, settings: Settings) -> AsyncIterator[asyncpg.Pool]:
    """A way past row-level security, to prepare and to look."""
    pool = await asyncpg.create_pool(database, min_size=1, max_size=3)
    yield pool
    await pool.close()


@pytest.fixture(scope="session")
async def app(settings: Settings) -> AsyncIterator[FastAPI]:
    made = create_app(settings)
    async with made.router.lifespan_context(made):
        await made.state.doors.redis.flushdb()
        yield made
        await made.state.doors.redis.flushdb()


@pytest.fixture(scope="session")
async def client(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://api") as made:
        yield made


@pytest.fixture(scope="session")
def password_hash() -> Iterator[str]:
    passwords = Passwords()
    yield passwords.hash(PASSWORD)
    passwords.close()


MakeTeam = Callable[..., Awaitable[Team]]


@pytest.fixture(scope="session")
async def make_team(app: FastAPI, superuser: asyncpg.Pool, password_hash: str) -> MakeTeam:
    """Makes organizations that no other test knows, with a person of each role, all of one password.

    In the database of all tests, or in another where its superuser's pool is given.
    """

    async def make(superuser: asyncpg.Pool = superuser) -> Team:
        organization_id = new_id()
        slug = f"team-{organization_id}"
        await superuser.execute("INSERT INTO organizations (id, name, slug) VALUES ($1, $2, $2)", organization_id, slug)
        team = Team(organization_id)
        for role in ROLES:
            user_id = new_id()
            email = f"{role}@{slug}.example"
            await superuser.execute(
                "INSERT INTO users (id, email, organization_id, role, password_hash) VALUES ($1, $2, $3, $4, $5)",
                user_id,
                email,
                organization_id,
                role,
                password_hash,
            )
            token = app.state.doors.tokens.issue(user_id, organization_id)
            team.people[role] = Person(user_id, email, organization_id, {"Authorization": f"Bearer {token}"})
        return team

    return make


@pytest.fixture
async def team(app: FastAPI, make_team: MakeTeam) -> Team:
    """A team, at a time when no sign-in has failed yet: all tests call from one address."""
    fast = app.state.doors.redis
    if failed := [key async for key in fast.scan_iter("tw:attempts:*", count=1000)]:
        await fast.delete(*failed)
    return await make_team()


@pytest.fixture
async def strangers(make_team: MakeTeam) -> Team:
    return await make_team()
