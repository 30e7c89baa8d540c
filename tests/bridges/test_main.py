"""All bridges in one process."""

import asyncio
from typing import Any
from uuid import uuid4

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

import wire.kafka
from wire.ids import partition
from wire.settings import Settings
from wire.topics import CONTENT, EVENTS_EXCHANGE


async def test_a_row_of_the_outbox_reaches_kafka_and_sigterm_ends_every_bridge(
    corner: Settings, tools: Any, database: asyncpg.Connection
) -> None:
    content = uuid4()
    with tools.bridge_process(corner) as process:
        await tools.until((corner.state_dir / "worker-1.ready").exists, "the ready file")
        await database.execute(
            "INSERT INTO outbox (message_id, organization_id, exchange, routing_key, key, type, body) "
            "SELECT $1, id, $2, 'content.created', $3, 'content.created', $4 FROM organizations",
            uuid4(),
            EVENTS_EXCHANGE,
            str(content),
            b'{"a": 1}',
        )
        consumer = AIOKafkaConsumer(bootstrap_servers=wire.kafka.bootstrap(corner.kafka_url))
        await consumer.start()
        consumer.assign([TopicPartition(CONTENT.name, partition(content, CONTENT.partitions))])
        await consumer.seek_to_beginning()
        async with asyncio.timeout(20):
            record = await consumer.getone()
        await consumer.stop()
        assert (record.key, record.value) == (content.bytes, b'{"a": 1}')
        process.terminate()
        assert await asyncio.to_thread(process.wait, 15) == 0
    assert '"message": "stopped"' in (corner.state_dir / "bridges.log").read_text().splitlines()[-1]


async def test_the_ready_file_waits_for_the_last_bridge(corner: Settings, tools: Any, broker: Any) -> None:
    broker.kill()
    with tools.bridge_process(corner):
        await tools.until(lambda: '"waiting"' in (corner.state_dir / "bridges.log").read_text(), "it to wait for Kafka")
        await asyncio.sleep(1)
        assert not (corner.state_dir / "worker-1.ready").exists()
        await broker.start()
        await tools.until((corner.state_dir / "worker-1.ready").exists, "the ready file")
