"""The door to Kafka: topics created right, and a producer that returns only when the log has the message.

Written for what Apache Kafka and Tansu both do: at least once, acks=all, no transactions, no seeking by time.
"""

import time
from collections.abc import Iterable
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError
from pydantic import SecretStr

from wire.errors import Transient
from wire.topics import EPOCH_TOPIC_PREFIX, TOPICS

MAX_MESSAGE_BYTES: Final = 8 * 1024 * 1024
TRANSIENT: Final = (KafkaError, OSError, TimeoutError)


def bootstrap(url: SecretStr) -> list[str]:
    """`kafka://a:9092,b:9092` -> its brokers."""
    return url.get_secret_value().removeprefix("kafka://").rstrip("/").split(",")


async def producer(url: SecretStr, *, linger_ms: int = 0) -> AIOKafkaProducer:
    """A started producer: acks=all, 15 s a message, then KafkaTimeoutError. Raises Transient if no broker answers."""
    made = AIOKafkaProducer(
        bootstrap_servers=bootstrap(url),
        acks="all",
        request_timeout_ms=15_000,
        max_request_size=MAX_MESSAGE_BYTES,
        linger_ms=linger_ms,
        enable_idempotence=False,
    )
    try:
        await made.start()
    except TRANSIENT as error:
        await made.stop()
        raise Transient(f"Kafka does not answer at {bootstrap(url)}: {error}") from error
    return made


async def ensure_topics(url: SecretStr, *, replication: int = 1) -> int:
    """Create what is missing, each topic with its partitions; answers the log's epoch (the second it was born).

    Must run after a broker starts and before anyone produces: a broker may create a missing topic with one partition.
    Raises Transient where no broker answers, ValueError where a topic has another number of partitions.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap(url), request_timeout_ms=10_000)
    try:
        await admin.start()
        have = {entry["topic"]: len(entry["partitions"]) for entry in await admin.describe_topics()}
        if (epoch := epoch_in(have)) is None:
            epoch = int(time.time())
            await _create(admin, f"{EPOCH_TOPIC_PREFIX}{epoch}", 1, replication)
        for topic in TOPICS:
            if topic.name not in have:
                await _create(admin, topic.name, topic.partitions, replication)
            elif have[topic.name] != topic.partitions:
                raise ValueError(f"topic {topic.name} has {have[topic.name]} partitions, not {topic.partitions}")
        return epoch
    except TRANSIENT as error:
        raise Transient(f"Kafka does not answer at {bootstrap(url)}: {error}") from error
    finally:
        await admin.close()


def epoch_in(topics: Iterable[str]) -> int | None:
    """The epoch of a log with these topics; None where it has none yet."""
    epochs = [int(name.removeprefix(EPOCH_TOPIC_PREFIX)) for name in topics if name.startswith(EPOCH_TOPIC_PREFIX)]
    return min(epochs, default=None)


async def _create(admin: AIOKafkaAdminClient, name: str, partitions: int, replication: int) -> None:
    settings = {"retention.ms": "1209600000", "max.message.bytes": str(MAX_MESSAGE_BYTES), "cleanup.policy": "delete"}
    topic = NewTopic(name, num_partitions=partitions, replication_factor=replication, topic_configs=settings)
    try:
        await admin.create_topics([topic])
    except TopicAlreadyExistsError:
        return
