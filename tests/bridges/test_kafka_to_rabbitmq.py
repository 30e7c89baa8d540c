import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import msgspec
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

import wire.kafka
from bridges.kafka_to_rabbitmq import GROUP
from wire.commands import Command, shard
from wire.settings import Settings
from wire.topics import COMMANDS, DEAD, FINDINGS


def command(key: str, n: int) -> bytes:
    made = Command(
        id=uuid4(),
        type="content.score",
        organization_id=None,
        key=key,
        issued_at=datetime.now(UTC),
        payload=msgspec.Raw(str(n).encode()),
    )
    return msgspec.json.encode(made)


async def produce(corner: Settings, records: list[tuple[int, bytes | None]]) -> dict[TopicPartition, int]:
    """Write findings; answers where each partition then ends, as the acknowledgements say."""
    producer = await wire.kafka.producer(corner.kafka_url)
    sent = [await producer.send(FINDINGS.name, value, key=b"k", partition=partition) for partition, value in records]
    places = await asyncio.gather(*sent)
    await producer.stop()
    return {place.topic_partition: place.offset + 1 for place in sorted(places, key=lambda place: place.offset)}


async def committed(corner: Settings, ends: dict[TopicPartition, int]) -> bool:
    """Whether the bridge has committed all of this."""
    admin = AIOKafkaAdminClient(bootstrap_servers=wire.kafka.bootstrap(corner.kafka_url))
    await admin.start()
    try:
        found = await admin.list_consumer_group_offsets(GROUP, partitions=list(ends))
        return {place: at.offset for place, at in found.items()} == ends
    finally:
        await admin.close()


async def test_each_command_reaches_the_shard_of_its_key_in_order_and_then_is_committed(
    corner: Settings, tools: Any
) -> None:
    keys = [str(uuid4()) for _ in range(6)]
    ends = await produce(corner, [(n % 6 % 3, command(keys[n % 6], n)) for n in range(60)])
    async with tools.rabbit(corner) as channel:
        with tools.bridge_process(corner, "kafka_to_rabbitmq"):
            await tools.until((corner.state_dir / "worker-1.ready").exists, "the ready file")
            await tools.until(lambda: committed(corner, ends), "the offsets to be committed")
        seen: dict[str, list[int]] = {key: [] for key in keys}
        for number, queue in enumerate(COMMANDS):
            for message in await tools.drained(channel, queue.name):
                arrived = msgspec.json.decode(message.body, type=Command)
                assert shard(arrived.key) == number
                assert (message.message_id, message.type) == (str(arrived.id), arrived.type)
                seen[arrived.key].append(int(arrived.payload))
    assert seen == {key: list(range(n, 60, 6)) for n, key in enumerate(keys)}


async def test_what_does_not_decode_goes_to_the_dead_letters_and_the_offsets_go_on(
    corner: Settings, tools: Any
) -> None:
    bad = [b"", b"\xff\xfe", b"[1]", b'{"id": 3}', None, command("k" * 300, 1)]
    ends = await produce(corner, [*((0, value) for value in bad), (0, command("good", 7))])
    async with tools.rabbit(corner) as channel:
        with tools.bridge_process(corner, "kafka_to_rabbitmq"):
            await tools.until(lambda: committed(corner, ends), "the offsets to be committed")
        dead = await tools.drained(channel, DEAD.name)
        good = await tools.drained(channel, COMMANDS[shard("good")].name)
    assert sorted(str(message.headers["source"]) for message in dead) == [f"{FINDINGS.name}/0/{n}" for n in range(6)]
    assert {str(message.headers["reason"]) for message in dead} == {"undecodable_command"}
    assert all(message.headers["detail"] for message in dead)
    assert len(good) == 1


async def test_kill_9_loses_no_command_and_keeps_the_order(corner: Settings, tools: Any) -> None:
    keys = [str(uuid4()) for _ in range(9)]
    async with tools.rabbit(corner) as channel:
        busy = 0
        for round_ in range(2):
            numbers = range(round_ * 1500, (round_ + 1) * 1500)
            ends = await produce(corner, [(n % 9 % 3, command(keys[n % 9], n)) for n in numbers])
            with tools.bridge_process(corner, "kafka_to_rabbitmq"):
                await tools.until((corner.state_dir / "worker-1.ready").exists, "the ready file")
                await asyncio.sleep(0.2)
            busy += not await committed(corner, ends)
        assert busy, "no kill met uncommitted findings: the test shows nothing"
        with tools.bridge_process(corner, "kafka_to_rabbitmq"):
            await tools.until(lambda: committed(corner, ends), "the offsets to be committed", 60)
        seen: dict[str, list[int]] = {key: [] for key in keys}
        for queue in COMMANDS:
            for message in await tools.drained(channel, queue.name):
                arrived = msgspec.json.decode(message.body, type=Command)
                seen[arrived.key].append(int(arrived.payload))
    assert {key: list(dict.fromkeys(order)) for key, order in seen.items()} == {
        key: list(range(n, 3000, 9)) for n, key in enumerate(keys)
    }
