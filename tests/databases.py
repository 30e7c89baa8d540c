"""Databases of a test's own on the shared servers; they are gone at the end."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
from pydantic import SecretStr

import analytics.migrate
import api.migrate
import wire.clickhouse
from wire.settings import Settings


@contextmanager
def migrated_postgres(servers_url: str) -> Iterator[Settings]:
    """A database as the API makes it, and the addresses of its owner and of the roles of its own that may enter.

    Blocks, and must not be used on an event loop's thread.
    """
    name = f"test_{uuid4().hex[:12]}"
    at = urlsplit(servers_url)
    as_role = f"postgresql://{{role}}:pw@{at.hostname}:{at.port}/{name}"
    settings = Settings(
        postgres_url=f"{servers_url.rsplit('/', 1)[0]}/{name}",
        postgres_app_url=as_role.format(role=f"{name}_app"),
        postgres_relay_url=as_role.format(role=f"{name}_relay"),
        postgres_import_url=as_role.format(role=f"{name}_import"),
    )
    asyncio.run(_execute(servers_url, f"CREATE DATABASE {name}"))
    api.migrate.migrate(settings)
    yield settings
    roles = [f"DROP ROLE {name}_{role}" for role in ("app", "relay", "import")]
    asyncio.run(_execute(servers_url, f"DROP DATABASE {name} WITH (FORCE)", *roles))


async def _execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


@contextmanager
def empty_clickhouse(servers_url: str) -> Iterator[SecretStr]:
    """The address of a database without tables."""
    name = f"test_{uuid4().hex[:12]}"
    admin = wire.clickhouse.client(SecretStr(f"{servers_url}/default"))
    admin.command(f"CREATE DATABASE {name}")
    yield SecretStr(f"{servers_url}/{name}")
    admin.command(f"DROP DATABASE {name}")
    admin.close()


@contextmanager
def migrated_clickhouse(servers_url: str) -> Iterator[SecretStr]:
    """The address of a database as the platform makes it."""
    with empty_clickhouse(servers_url) as url:
        client = wire.clickhouse.client(url)
        analytics.migrate.migrate(client)
        client.close()
        yield url
