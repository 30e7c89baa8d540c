"""A ClickHouse database of this folder's own, empty at first and then migrated."""

from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

import pytest
from clickhouse_connect.driver.asyncclient import AsyncClient
from clickhouse_connect.driver.client import Client
from pydantic import SecretStr

import wire.clickhouse
from analytics.migrate import migrate


@pytest.fixture
def empty_url(servers: Any) -> Iterator[SecretStr]:
    """An empty database of one test's own."""
    name = f"analytics_{uuid4().hex[:12]}"
    admin = wire.clickhouse.client(SecretStr(f"{servers.clickhouse_url}/default"))
    admin.command(f"CREATE DATABASE {name}")
    yield SecretStr(f"{servers.clickhouse_url}/{name}")
    admin.command(f"DROP DATABASE {name}")
    admin.close()


@pytest.fixture(scope="session")
def url(servers: Any) -> Iterator[SecretStr]:
    name = f"analytics_{uuid4().hex[:12]}"
    admin = wire.clickhouse.client(SecretStr(f"{servers.clickhouse_url}/default"))
    admin.command(f"CREATE DATABASE {name}")
    yield SecretStr(f"{servers.clickhouse_url}/{name}")
    admin.command(f"DROP DATABASE {name}")
    admin.close()


@pytest.fixture(scope="session")
def client(url: SecretStr) -> Iterator[Client]:
    made = wire.clickhouse.client(url)
    migrate(made)
    yield made
    made.close()


@pytest.fixture
async def asking(url: SecretStr, client: Client) -> AsyncIterator[AsyncClient]:
    made = await wire.clickhouse.async_client(url)
    yield made
    await made.close()
