"""Kafka, read in no group: where each partition begins and ends, and the messages between two offsets."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from pydantic import SecretStr

from wire.errors import Transient
from wire.kafka import TRANSIENT, bootstrap, epoch_in
from wire.topics import Topic

MESSAGES_AT_ONCE: Final = 256
SILENCE_MS: Final = 700
"""A broker that sends nothing for so long has nothing more."""
BEYOND_POLLS: Final = 4
PATIENCE_POLLS: Final = 20


class Log:
    """The log's topics. Raises Transient where the broker does not answer."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer

    async def epoch(self) -> int | None:
        """The second in which this log was born; None where it holds none of our topics."""
        return epoch_in(await self._consumer.topics())

    async def starts(self, topic: Topic) -> dict[int, int]:
        """Partition -> its first offset."""
        found = await self._consumer.beginning_offsets(_partitions(topic))
        return {at.partition: offset for at, offset in found.items()}

    async def ends(self, topics: Iterable[Topic]) -> dict[str, dict[int, int]]:
        """Topic -> partition -> the offset after its last message; what is appended meanwhile may be in it.

        Brokers may tell of fewer than there are (Tansu: by a batch), so it is read on from there.
        """
        at = [each for topic in topics for each in _partitions(topic)]
        ends: dict[TopicPartition, int] = dict(await self._consumer.end_offsets(at))
        self._consumer.assign(at)
        for each, offset in ends.items():
            self._consumer.seek(each, offset)
        for _ in range(BEYOND_POLLS):
            found = await self._consumer.getmany(timeout_ms=SILENCE_MS)
            if not found:
                break
            ends |= {each: records[-1].offset + 1 for each, records in found.items() if records}
        named: dict[str, dict[int, int]] = {}
        for each, offset in ends.items():
            named.setdefault(each.topic, {})[each.partition] = offset
        return named

    async def messages(self, topic: Topic, partition: int, start: int, end: int) -> AsyncIterator[list[Any]]:
        """The records from one offset to before another, some hundred at a time. Raises Transient where some are not
        delivered."""
        at = TopicPartition(topic.name, partition)
        self._consumer.assign([at])
        self._consumer.seek(at, start)
        silent = 0
        while start < end:
            found = await self._consumer.getmany(at, timeout_ms=SILENCE_MS, max_records=MESSAGES_AT_ONCE)
            records = [record for record in found.get(at, ()) if record.offset < end]
            silent = 0 if records else silent + 1
            if silent == PATIENCE_POLLS:
                raise Transient(f"{topic.name}/{partition}: Kafka does not deliver what comes at offset {start}")
            if records:
                yield records
                start = records[-1].offset + 1


@asynccontextmanager
async def opened(url: SecretStr) -> AsyncIterator[Log]:
    """The log at this address. Raises Transient where no broker answers."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap(url),
        enable_auto_commit=False,
        request_timeout_ms=15_000,
        auto_offset_reset="none",
        fetch_max_wait_ms=100,
    )
    try:
        await consumer.start()
        yield Log(consumer)
    except TRANSIENT as error:
        raise Transient(f"Kafka does not answer at {bootstrap(url)}: {error}") from error
    finally:
        await asyncio.shield(consumer.stop())


def _partitions(topic: Topic) -> list[TopicPartition]:
    return [TopicPartition(topic.name, partition) for partition in range(topic.partitions)]
