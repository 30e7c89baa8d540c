"""A ClickHouse database of this folder's own, empty at first and then migrated."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from clickhouse_connect.driver.asyncclient import AsyncClient
from clickhouse_connect.driver.client import Client
from pydantic import SecretStr

import wire.clickhouse
from tests.databases import empty_clickhouse, migrated_clickhouse


@pytest.fixture
def empty_url(servers: Any) -> Iterator[SecretStr]:
    """An empty database of one test's own."""
    with empty_clickhouse(servers.clickhouse_url) as url:
        yield url


@pytest.fixture(scope="session")
def url(servers: Any) -> Iterator[SecretStr]:
    with migrated_clickhouse(servers.clickhouse_url) as url:
        yield url


@pytest.fixture(scope="session")
def client(url: SecretStr) -> Iterator[Client]:
    made = wire.clickhouse.client(url)
    yield made
    made.close()


@pytest.fixture
async def asking(url: SecretStr, client: Client) -> AsyncIterator[AsyncClient]:
    made = await wire.clickhouse.async_client(url)
    yield made
    await made.close()
