"""Kafka's findings -> RabbitMQ's commands.

The loop:     take records; publish each command to the shard of its key; commit the offsets that RabbitMQ confirmed.
The promise:  every finding becomes a command at least once, commands of one key in the order of their partition. What
              does not decode goes to the dead letters with its reason, and the offsets go on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Never

import aio_pika
import msgspec
import structlog
from aio_pika.abc import AbstractChannel
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

import wire.kafka
import wire.rabbitmq
from bridges.lanes import send_in_order
from bridges.sessions import opened
from wire.commands import Command, shard
from wire.settings import Settings
from wire.telemetry import BRIDGED
from wire.topics import COMMANDS_EXCHANGE, DEAD_EXCHANGE, FINDINGS

BATCH: Final = 500
GROUP: Final = "bridges.kafka_to_rabbitmq"

LONGEST_NAME_BYTES: Final = 255
"""What AMQP allows for a message's type."""

_command = msgspec.json.Decoder(Command)
_log = structlog.stdlib.get_logger(GROUP)


@dataclass(frozen=True, eq=False)
class Outgoing:
    """What one record becomes: a message, where it goes, and the key whose order it keeps."""

    partition: TopicPartition
    offset: int
    key: str
    exchange: str
    routing_key: str
    message: aio_pika.Message


async def session(settings: Settings, ready: Callable[[], None]) -> Never:
    """Carry over until something goes away, which is raised; what was not committed comes again, in order."""
    connection = await wire.rabbitmq.connect(settings.rabbitmq_url, f"{settings.worker_name} kafka_to_rabbitmq")
    async with opened(connection, connection.close):
        channel = await wire.rabbitmq.channel(connection)
        await wire.rabbitmq.declare(channel)
        consumer = AIOKafkaConsumer(
            FINDINGS.name,
            bootstrap_servers=wire.kafka.bootstrap(settings.kafka_url),
            group_id=GROUP,
            group_instance_id=settings.worker_name,  # killed and started again, it goes on without a session timeout
            session_timeout_ms=6000,
            heartbeat_interval_ms=2000,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_poll_records=BATCH,
        )
        async with opened(consumer, consumer.stop):
            await consumer.start()
            ready()
            while True:
                await _carry(await consumer.getmany(timeout_ms=1000), consumer, channel)


async def _carry(
    taken: dict[TopicPartition, list[ConsumerRecord]], consumer: AIOKafkaConsumer, channel: AbstractChannel
) -> None:
    if not taken:
        return
    outgoing = [_outgoing(record) for records in taken.values() for record in records]
    sent, failures = await send_in_order(
        outgoing,
        lambda out: out.key,
        lambda out: wire.rabbitmq.publish(channel, out.exchange, out.routing_key, out.message),
    )
    BRIDGED.labels("kafka_to_rabbitmq").inc(len(sent))
    next_offsets = {partition: records[-1].offset + 1 for partition, records in taken.items()}
    done = set(sent)
    next_offsets |= {out.partition: out.offset for out in reversed(outgoing) if out not in done}
    await consumer.commit(next_offsets)
    for error in failures.values():
        raise error


def _outgoing(record: ConsumerRecord) -> Outgoing:
    partition = TopicPartition(record.topic, record.partition)
    try:
        command = _command.decode(record.value or b"")
        if max(len(command.type.encode()), len(command.key.encode())) > LONGEST_NAME_BYTES:
            raise ValueError(f"its type or key is longer than {LONGEST_NAME_BYTES} bytes")
    except (ValueError, RecursionError) as error:
        place = f"{record.topic}/{record.partition}/{record.offset}"
        dead = _dead(record, place, str(error)[:500])
        return Outgoing(partition, record.offset, place, DEAD_EXCHANGE, record.topic, dead)
    message = aio_pika.Message(
        record.value,
        message_id=str(command.id),
        type=command.type,
        headers={"key": command.key},
        content_type="application/json",
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
    )
    return Outgoing(partition, record.offset, command.key, COMMANDS_EXCHANGE, f"shard.{shard(command.key)}", message)


def _dead(record: ConsumerRecord, place: str, detail: str) -> aio_pika.Message:
    _log.warning("set aside", reason="undecodable_command", source=place, detail=detail)
    return aio_pika.Message(
        record.value or b"",
        message_id=place,
        headers={"reason": "undecodable_command", "detail": detail, "source": place},
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
    )
