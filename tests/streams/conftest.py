"""A ClickHouse database, a Redis database and a producer of this folder's own."""

from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

import pytest
import redis.asyncio
from clickhouse_connect.driver.client import Client
from pydantic import SecretStr

import wire.clickhouse
import wire.kafka
import wire.redis
from analytics.migrate import migrate
from streams.doors import Doors

REDIS_DATABASE = 7


@pytest.fixture(scope="session")
def clickhouse(servers: Any) -> Iterator[Client]:
    name = f"streams_{uuid4().hex[:12]}"
    admin = wire.clickhouse.client(SecretStr(f"{servers.clickhouse_url}/default"))
    admin.command(f"CREATE DATABASE {name}")
    client = wire.clickhouse.client(SecretStr(f"{servers.clickhouse_url}/{name}"))
    migrate(client)
    yield client
    client.close()
    admin.command(f"DROP DATABASE {name}")
    admin.close()


@pytest.fixture
async def redis_client(servers: Any) -> AsyncIterator[redis.asyncio.Redis]:
    client = wire.redis.client(SecretStr(f"{servers.redis_url}/{REDIS_DATABASE}"))
    await client.flushdb()
    yield client
    await client.aclose()


@pytest.fixture
async def doors(servers: Any, clickhouse: Client, redis_client: redis.asyncio.Redis) -> AsyncIterator[Doors]:
    kafka_url = SecretStr(servers.kafka_url)
    await wire.kafka.ensure_topics(kafka_url)
    producer = await wire.kafka.producer(kafka_url)
    yield Doors(clickhouse, redis_client, producer, lambda: 1_800_000_000.0)
    await producer.stop()
