"""RabbitMQ's queue of content events -> Kafka.

The loop:     take what the queue gives, at most PREFETCH at a time; produce it; acknowledge what Kafka has.
The promise:  every event reaches the content topic at least once, events of one content in the order of the queue and
              always in the same partition. What Kafka cannot take goes to the dead letters with its reason.
"""

from collections.abc import Callable
from typing import Final, Never
from uuid import UUID

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from aiokafka import AIOKafkaProducer

import wire.kafka
import wire.rabbitmq
from bridges.lanes import send_in_order
from bridges.sessions import opened
from wire.errors import Poison, Transient
from wire.ids import partition
from wire.settings import Settings
from wire.telemetry import BRIDGED
from wire.topics import CONTENT, DEAD_EXCHANGE, TO_KAFKA

PREFETCH: Final = 200
LARGEST_BYTES: Final = wire.kafka.MAX_MESSAGE_BYTES - 1024
"""Room is left for what Kafka adds to a message."""

_log = structlog.stdlib.get_logger("bridges.rabbitmq_to_kafka")


async def session(settings: Settings, ready: Callable[[], None]) -> Never:
    """Carry over until something goes away, which is raised; what was not acknowledged comes again, in order."""
    producer = await wire.kafka.producer(settings.kafka_url)
    async with opened(producer, producer.stop):
        connection = await wire.rabbitmq.connect(settings.rabbitmq_url, f"{settings.worker_name} rabbitmq_to_kafka")
        async with opened(connection, connection.close):
            channel = await wire.rabbitmq.channel(connection, prefetch=PREFETCH)
            await wire.rabbitmq.declare(channel)
            arrivals = await wire.rabbitmq.arrivals(channel, TO_KAFKA)
            ready()
            while True:
                await _carry(await _taken(arrivals), producer, channel)


async def _taken(arrivals: wire.rabbitmq.Arrivals) -> list[AbstractIncomingMessage]:
    messages = [await arrivals.get()]
    while not arrivals.empty():
        messages.append(arrivals.get_nowait())
    if None in messages:
        raise Transient(f"RabbitMQ gives nothing more of {TO_KAFKA.name}")
    return [message for message in messages if message is not None]


async def _carry(messages: list[AbstractIncomingMessage], producer: AIOKafkaProducer, channel: AbstractChannel) -> None:
    async def send(message: AbstractIncomingMessage) -> None:
        if refusal := _refusal(message):
            await _set_aside(channel, message, refusal)
        else:
            await _produce(producer, UUID(str(message.headers["key"])), message.body)

    sent, failures = await send_in_order(messages, lambda message: str(message.headers.get("key")), send)
    for message in sent:
        await message.ack()
    BRIDGED.labels("rabbitmq_to_kafka").inc(len(sent))
    for error in failures.values():
        raise error


def _refusal(message: AbstractIncomingMessage) -> Poison | None:
    try:
        UUID(str(message.headers.get("key")))
    except ValueError:
        return Poison("no_content_id", "the header `key` is not the UUID of a content")
    if len(message.body) > LARGEST_BYTES:
        return Poison("too_large", f"{len(message.body)} bytes, Kafka takes {LARGEST_BYTES}")
    return None


async def _produce(producer: AIOKafkaProducer, content_id: UUID, body: bytes) -> None:
    to = partition(content_id, CONTENT.partitions)
    try:
        if to not in await producer.partitions_for(CONTENT.name):
            raise Transient(f"topic {CONTENT.name} has no partition {to}: were its topics created?")
        await producer.send_and_wait(CONTENT.name, body, key=content_id.bytes, partition=to)
    except wire.kafka.TRANSIENT as error:
        raise Transient(f"Kafka did not take a content event: {error!r}") from error


async def _set_aside(channel: AbstractChannel, message: AbstractIncomingMessage, refusal: Poison) -> None:
    _log.warning("set aside", reason=refusal.reason, detail=refusal.detail, message_id=message.message_id)
    dead = aio_pika.Message(
        message.body,
        message_id=message.message_id,
        type=message.type,
        headers={**message.headers, "reason": refusal.reason, "detail": refusal.detail, "source": TO_KAFKA.name},
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
    )
    await wire.rabbitmq.publish(channel, DEAD_EXCHANGE, TO_KAFKA.name, dead)
