"""A ClickHouse database, a Redis database and a producer of this folder's own."""

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any
from uuid import UUID

import msgspec
import pytest
import redis.asyncio
from aiokafka import AIOKafkaConsumer, TopicPartition
from clickhouse_connect.driver.client import Client
from pydantic import SecretStr

import wire.clickhouse
import wire.kafka
import wire.redis
from streams.doors import Doors
from tests.databases import migrated_clickhouse
from wire.commands import Command
from wire.ids import partition
from wire.settings import Settings
from wire.topics import FINDINGS

REDIS_DATABASE = 7


@pytest.fixture(scope="session")
def clickhouse(servers: Any) -> Iterator[Client]:
    with migrated_clickhouse(servers.clickhouse_url) as url:
        client = wire.clickhouse.client(url)
        yield client
        client.close()


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


async def findings(servers: Any, content_id: UUID) -> list[Command]:
    """Every finding whose key is this content."""
    found = await _findings(servers, [partition(content_id, FINDINGS.partitions)])
    return [msgspec.json.decode(record.value, type=Command) for record in found if record.key == content_id.bytes]


async def every_finding(servers: Any) -> list[Command]:
    """Those of all pieces."""
    found = await _findings(servers, range(FINDINGS.partitions))
    return [msgspec.json.decode(record.value, type=Command) for record in found]


async def _findings(servers: Any, partitions: Iterable[int]) -> list[Any]:
    consumer = AIOKafkaConsumer(bootstrap_servers=wire.kafka.bootstrap(Settings(kafka_url=servers.kafka_url).kafka_url))
    await consumer.start()
    found = []
    for each in partitions:
        place = TopicPartition(FINDINGS.name, each)
        consumer.assign([place])
        await consumer.seek_to_beginning()
        end = (await consumer.end_offsets([place]))[place]
        while await consumer.position(place) < end:
            found += [record for batch in (await consumer.getmany(timeout_ms=200)).values() for record in batch]
    await consumer.stop()
    return found
