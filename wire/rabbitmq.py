"""The door to RabbitMQ: the topology, and a publish that returns only when a queue has the message."""

import asyncio

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractRobustConnection
from pamqp.common import FieldValue
from pydantic import SecretStr

from wire.errors import Transient
from wire.topics import (
    COMMANDS,
    COMMANDS_EXCHANGE,
    DEAD,
    DEAD_EXCHANGE,
    EVENTS_EXCHANGE,
    TO_KAFKA,
    Queue,
)

TRANSIENT = (
    aio_pika.exceptions.AMQPError,
    aio_pika.exceptions.ChannelInvalidStateError,
    ConnectionError,
    OSError,
    TimeoutError,
)

NO_LIMIT = 1_000_000_000
"""Deliveries of a message that nobody may drop: from RabbitMQ 4 on the default is 20, and then it is gone."""


async def connect(url: SecretStr, name: str) -> AbstractRobustConnection:
    """A connection that comes back by itself. Raises Transient where RabbitMQ does not answer now."""
    try:
        return await aio_pika.connect_robust(
            url.get_secret_value(), timeout=10, reconnect_interval=1, client_properties={"connection_name": name}
        )
    except TRANSIENT as error:
        raise Transient(f"RabbitMQ does not answer: {error}") from error


async def channel(connection: AbstractRobustConnection, *, prefetch: int = 0) -> AbstractChannel:
    """A channel with publisher confirms, on which an unroutable message raises instead of vanishing."""
    opened = await connection.channel(publisher_confirms=True, on_return_raises=True)
    if prefetch:
        await opened.set_qos(prefetch_count=prefetch)
    return opened


Arrivals = asyncio.Queue[AbstractIncomingMessage | None]


async def arrivals(on: AbstractChannel, queue: Queue) -> Arrivals:
    """What a queue gives from now on; None once it gives no more: the channel was closed, or the consumer cancelled, as
    when the queue is deleted."""
    coming: Arrivals = asyncio.Queue()
    on.close_callbacks.add(lambda *_: coming.put_nowait(None))
    (await on.get_underlay_channel()).on_consumer_cancel_callbacks.add(lambda _: coming.put_nowait(None))
    await (await on.get_queue(queue.name, ensure=False)).consume(coming.put)
    return coming


async def declare(on: AbstractChannel) -> None:
    """Exchanges and queues, as `wire.topics` lists them; the same again changes nothing.

    Commands: one quorum queue a shard, one active consumer each. What kills its consumer a thousand times, and what the
    bridges cannot read, goes to the dead letters.
    """
    for name in (EVENTS_EXCHANGE, COMMANDS_EXCHANGE, DEAD_EXCHANGE):
        await on.declare_exchange(name, aio_pika.ExchangeType.TOPIC, durable=True)
    limits: dict[str, FieldValue] = {
        "x-delivery-limit": 1000,
        "x-dead-letter-exchange": DEAD_EXCHANGE,
        "x-dead-letter-strategy": "at-least-once",
    }
    for queue in COMMANDS:
        await _queue(on, queue, {**limits, "x-overflow": "reject-publish", "x-single-active-consumer": True})
    await _queue(on, TO_KAFKA, {"x-single-active-consumer": True, "x-delivery-limit": NO_LIMIT})
    await _queue(on, DEAD, {"x-delivery-limit": NO_LIMIT})


async def _queue(on: AbstractChannel, queue: Queue, arguments: dict[str, FieldValue]) -> None:
    declared = await on.declare_queue(queue.name, durable=True, arguments={"x-queue-type": "quorum", **arguments})
    await declared.bind(queue.exchange, queue.binding)


async def publish(on: AbstractChannel, exchange: str, routing_key: str, message: aio_pika.Message) -> None:
    """Publish, persistent and mandatory; returns when the broker has confirmed that a queue holds it.

    Raises Transient on anything else, an unroutable message included: it is not lost, publish it again.
    """
    try:
        async with asyncio.timeout(20):
            target = await on.get_exchange(exchange, ensure=False)
            confirmed = await target.publish(message, routing_key, mandatory=True, timeout=15)
    except TRANSIENT as error:
        raise Transient(f"RabbitMQ did not take a message for {exchange}/{routing_key}: {error!r}") from error
    if confirmed is None:
        raise Transient(f"RabbitMQ did not confirm a message for {exchange}/{routing_key}")
