"""Filling and reading Kafka topics, fast and outside of every clock."""

from collections import defaultdict
from collections.abc import Iterable

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from pydantic import SecretStr

from wire.kafka import MAX_MESSAGE_BYTES, bootstrap

BATCH_BYTES = 1 << 20


async def make_topic(kafka_url: str, topic: str, partitions: int) -> None:
    """A new topic."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap(SecretStr(kafka_url)))
    await admin.start()
    try:
        configs = {"retention.ms": "1209600000", "max.message.bytes": str(MAX_MESSAGE_BYTES)}
        await admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=configs)])
    finally:
        await admin.close()


async def fill(kafka_url: str, topic: str, messages: Iterable[tuple[int, int, bytes | None, bytes]]) -> None:
    """Append (partition, unix ms, key, value), each partition in this order; returns when the log has them all.

    The last one goes alone: Tansu tells the end of a partition too low as long as a batch of many is its last.
    """
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap(SecretStr(kafka_url)),
        acks="all",
        max_batch_size=BATCH_BYTES,
        max_request_size=MAX_MESSAGE_BYTES,
        enable_idempotence=False,
    )
    by_partition: dict[int, list[tuple[int, bytes | None, bytes]]] = defaultdict(list)
    for partition, at_ms, key, value in messages:
        by_partition[partition].append((at_ms, key, value))
    await producer.start()
    try:
        for partition, mine in by_partition.items():
            await _append(producer, topic, partition, mine[:-1])
            await _append(producer, topic, partition, mine[-1:])
    finally:
        await producer.stop()


async def _append(
    producer: AIOKafkaProducer, topic: str, partition: int, messages: Iterable[tuple[int, bytes | None, bytes]]
) -> None:
    batch = producer.create_batch()
    for at_ms, key, value in messages:
        if batch.append(key=key, value=value, timestamp=at_ms) is None:
            await (await producer.send_batch(batch, topic, partition=partition))
            batch = producer.create_batch()
            batch.append(key=key, value=value, timestamp=at_ms)
    if batch.record_count():
        await (await producer.send_batch(batch, topic, partition=partition))


async def ends(kafka_url: str, topic: str, partitions: int) -> dict[int, int]:
    """Partition -> the offset after its last message."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap(SecretStr(kafka_url)))
    await consumer.start()
    try:
        found = await consumer.end_offsets([TopicPartition(topic, n) for n in range(partitions)])
        return {at.partition: offset for at, offset in found.items()}
    finally:
        await consumer.stop()


async def values(kafka_url: str, topic: str, starts: dict[int, int], to: dict[int, int]) -> list[bytes]:
    """Every value from these offsets on, up to those."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap(SecretStr(kafka_url)), max_partition_fetch_bytes=MAX_MESSAGE_BYTES
    )
    await consumer.start()
    read: list[bytes] = []
    try:
        consumer.assign([TopicPartition(topic, n) for n, end in to.items() if end > starts.get(n, 0)])
        for at in consumer.assignment():
            consumer.seek(at, starts.get(at.partition, 0))
        missing = sum(end - starts.get(n, 0) for n, end in to.items())
        while len(read) < missing:
            for at, records in (await consumer.getmany(timeout_ms=500)).items():
                read += [record.value for record in records if record.offset < to[at.partition]]
    finally:
        await consumer.stop()
    return read
