import asyncio
import signal
from typing import Any
from uuid import UUID, uuid4

import aio_pika
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

import wire.kafka
import wire.rabbitmq
from wire.ids import partition
from wire.settings import Settings
from wire.topics import CONTENT, DEAD, EVENTS_EXCHANGE, TO_KAFKA


def event(key: str | None, body: bytes) -> aio_pika.Message:
    headers: Any = {} if key is None else {"key": key}
    return aio_pika.Message(body, headers=headers, delivery_mode=2, message_id="m")


async def records(corner: Settings, at_least: int) -> list[ConsumerRecord]:
    """Every record of the content topic, once there are so many and no more come."""
    consumer = AIOKafkaConsumer(bootstrap_servers=wire.kafka.bootstrap(corner.kafka_url))
    await consumer.start()
    consumer.assign([TopicPartition(CONTENT.name, n) for n in range(CONTENT.partitions)])
    await consumer.seek_to_beginning()
    found: list[ConsumerRecord] = []
    async with asyncio.timeout(30):
        while (taken := await consumer.getmany(timeout_ms=500)) or len(found) < at_least:
            found += [record for batch in taken.values() for record in batch]
    await consumer.stop()
    return found


async def test_an_event_goes_to_the_partition_of_its_content_and_is_then_gone_from_the_queue(
    corner: Settings, tools: Any
) -> None:
    contents = [uuid4() for _ in range(5)]
    async with tools.rabbit(corner) as channel:
        for n in range(50):
            message = event(str(contents[n % 5]), str(n).encode())
            await wire.rabbitmq.publish(channel, EVENTS_EXCHANGE, "content.updated", message)
        with tools.bridge_process(corner, "rabbitmq_to_kafka"):
            await tools.until((corner.state_dir / "worker-1.ready").exists, "the ready file")
            await asyncio.sleep(1)
        assert not await tools.drained(channel, TO_KAFKA.name)
    found = await records(corner, 50)
    assert len(found) == 50
    for record in found:
        content = UUID(bytes=record.key)
        assert record.partition == partition(content, CONTENT.partitions)
        assert contents[int(record.value) % 5] == content
    for content in contents:
        order = [int(record.value) for record in found if record.key == content.bytes]
        assert order == sorted(order)


async def test_what_names_no_content_goes_to_the_dead_letters_and_the_rest_goes_on(
    corner: Settings, tools: Any
) -> None:
    content = uuid4()
    async with tools.rabbit(corner) as channel:
        await wire.rabbitmq.publish(channel, EVENTS_EXCHANGE, "x", event(None, b"no key"))
        await wire.rabbitmq.publish(channel, EVENTS_EXCHANGE, "x", event("not-a-uuid", b"bad key"))
        await wire.rabbitmq.publish(channel, EVENTS_EXCHANGE, "x", event(str(content), b"x" * (9 << 20)))
        await wire.rabbitmq.publish(channel, EVENTS_EXCHANGE, "x", event(str(content), b"good"))
        with tools.bridge_process(corner, "rabbitmq_to_kafka"):
            await tools.until((corner.state_dir / "worker-1.ready").exists, "the ready file")
            await asyncio.sleep(1)
        dead = await tools.drained(channel, DEAD.name)
    assert sorted((str(message.headers["reason"]), len(message.body)) for message in dead) == [
        ("no_content_id", 6),
        ("no_content_id", 7),
        ("too_large", 9 << 20),
    ]
    assert [record.value for record in await records(corner, 1)] == [b"good"]


async def test_kill_9_and_a_cut_connection_lose_nothing_and_keep_the_order(
    corner: Settings, tools: Any, servers: Any
) -> None:
    contents = [uuid4() for _ in range(20)]
    async with tools.rabbit(corner) as channel:
        for start in range(0, 4000, 500):
            lanes = []
            for content in contents:  # one lane a content, so that the queue holds each content's events in order
                mine = [n for n in range(start, start + 500) if contents[n % 20] == content]
                lanes.append(_publish_all(channel, content, mine))
            await asyncio.gather(*lanes)
        busy = 0
        for _ in range(4):
            with tools.bridge_process(corner, "rabbitmq_to_kafka"):
                await tools.until((corner.state_dir / "worker-1.ready").exists, "the ready file")
                await asyncio.sleep(0.05)
            busy += await tools.depth(corner, TO_KAFKA.name) > 0
        assert busy, "no kill met an unfinished queue: the test shows nothing"
        with tools.bridge_process(corner, "rabbitmq_to_kafka"):
            await tools.until((corner.state_dir / "worker-1.ready").exists, "the ready file")
            await asyncio.to_thread(tools.cut_connections, servers, corner, "rabbitmq_to_kafka")

            async def empty() -> bool:
                return await tools.depth(corner, TO_KAFKA.name) == 0

            await tools.until(empty, "the queue to drain", 60)
            await asyncio.sleep(1)
        assert not await tools.drained(channel, TO_KAFKA.name)
    found = await records(corner, 4000)
    for n, content in enumerate(contents):
        order = [int(record.value) for record in found if record.key == content.bytes]
        assert list(dict.fromkeys(order)) == list(range(n, 4000, 20))


async def _publish_all(channel: aio_pika.abc.AbstractChannel, content: UUID, numbers: list[int]) -> None:
    for n in numbers:
        await wire.rabbitmq.publish(channel, EVENTS_EXCHANGE, "x", event(str(content), str(n).encode()))


async def test_an_idle_bridge_notices_a_cut_connection_and_comes_back(
    corner: Settings, tools: Any, servers: Any
) -> None:
    content = uuid4()
    with tools.bridge_process(corner, "rabbitmq_to_kafka"):
        await tools.until((corner.state_dir / "worker-1.ready").exists, "the ready file")
        await asyncio.to_thread(tools.cut_connections, servers, corner, "rabbitmq_to_kafka")
        async with tools.rabbit(corner) as channel:
            await wire.rabbitmq.publish(channel, EVENTS_EXCHANGE, "x", event(str(content), b"after"))

            async def empty() -> bool:
                return await tools.depth(corner, TO_KAFKA.name) == 0

            await tools.until(empty, "the event to be carried over", 20)
            await asyncio.sleep(1)
    assert [record.value for record in await records(corner, 1)] == [b"after"]


async def test_while_kafka_is_away_nothing_is_acknowledged(corner: Settings, tools: Any, broker: Any) -> None:
    content = uuid4()
    async with tools.rabbit(corner) as channel:
        with tools.bridge_process(corner, "rabbitmq_to_kafka") as process:
            await tools.until((corner.state_dir / "worker-1.ready").exists, "the ready file")
            broker.process.send_signal(signal.SIGSTOP)
            await wire.rabbitmq.publish(channel, EVENTS_EXCHANGE, "x", event(str(content), b"patient"))
            await asyncio.sleep(2)
            process.kill()
            await tools.until(lambda: _waits(corner, tools), "the event to be back in its queue")
            broker.process.send_signal(signal.SIGCONT)
        with tools.bridge_process(corner, "rabbitmq_to_kafka"):
            assert {record.value for record in await records(corner, 1)} == {b"patient"}


async def _waits(corner: Settings, tools: Any) -> bool:
    return int(await tools.depth(corner, TO_KAFKA.name)) == 1
