"""The command queues, each shard one command after another.

What happens to a command that fails:
    PostgreSQL is away          it waits in place, and so does its shard: nothing else could be done either
    only this one fails, now    it waits aside in a retry queue, longer each time, and comes back to its shard
    it never can be done        it goes to the dead letters with its reason
Figures and scores carry versions, so an order that a retry has changed does no harm.
"""

import asyncio
from collections.abc import Callable
from typing import Final, Never

import aio_pika
import asyncpg
import structlog
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractRobustConnection

import wire.postgres
import wire.rabbitmq
from api.worker.carry_out import carry_out, decode
from wire.commands import Command
from wire.errors import Poison, Transient
from wire.telemetry import COMMANDS as COUNTED
from wire.topics import COMMANDS, DEAD_EXCHANGE, RETRY_DELAYS_SECONDS, RETRY_EXCHANGE, Queue

PREFETCH: Final = 20
MOST_SURPRISES: Final = 8
"""How often a command may fail in a way that nobody has thought of before it goes to the dead letters."""
LONGEST_WAIT_S: Final = 5.0

Arrivals = asyncio.Queue[AbstractIncomingMessage | None]
_log = structlog.stdlib.get_logger("api")


async def serve(connection: AbstractRobustConnection, pool: asyncpg.Pool, ready: Callable[[], None]) -> Never:
    """Consume every shard until the connection ends, which is raised as Transient (in an ExceptionGroup)."""
    waiting_for = len(COMMANDS)

    def consuming() -> None:
        nonlocal waiting_for
        waiting_for -= 1
        if not waiting_for:
            ready()

    await wire.rabbitmq.declare(await wire.rabbitmq.channel(connection))
    async with asyncio.TaskGroup() as shards:
        for number, queue in enumerate(COMMANDS):
            shards.create_task(_shard(connection, pool, queue, number, consuming))
    raise Transient("every shard ended")


async def _shard(
    connection: AbstractRobustConnection, pool: asyncpg.Pool, queue: Queue, number: int, consuming: Callable[[], None]
) -> None:
    channel = await wire.rabbitmq.channel(connection, prefetch=PREFETCH)
    arrivals: Arrivals = asyncio.Queue()
    channel.close_callbacks.add(lambda *_: arrivals.put_nowait(None))
    source = await channel.get_queue(queue.name, ensure=False)
    await source.consume(arrivals.put)
    consuming()
    while True:
        message = await arrivals.get()
        if message is None:
            raise Transient("RabbitMQ closed the channel")
        await settle(channel, pool, message, number)


async def settle(channel: AbstractChannel, pool: asyncpg.Pool, message: AbstractIncomingMessage, shard: int) -> None:
    """Carry a message's command out, set it aside or bury it, and only then acknowledge it."""
    kind = message.type or "unknown"
    try:
        command = decode(message.body)
        kind = command.type
        outcome: str = await patiently(pool, command)
    except Poison as poison:
        outcome = "dead"
        await _bury(channel, message, shard, poison.reason, poison.detail)
    except wire.postgres.TRANSIENT as error:
        outcome = "retried"
        await _set_aside(channel, message, shard, repr(error))
    except Exception as error:
        _log.exception("command failed", command_type=kind, message_id=message.message_id)
        if attempts(message) + 1 >= MOST_SURPRISES:
            outcome = "dead"
            await _bury(channel, message, shard, "unexpected_error", repr(error)[:500])
        else:
            outcome = "retried"
            await _set_aside(channel, message, shard, repr(error))
    await message.ack()
    COUNTED.labels(kind, outcome).inc()


def attempts(message: AbstractIncomingMessage) -> int:
    """How often a message has been set aside before."""
    counted = message.headers.get("attempts", 0)
    return counted if isinstance(counted, int) else 0


async def _set_aside(channel: AbstractChannel, message: AbstractIncomingMessage, shard: int, why: str) -> None:
    tried = attempts(message)
    delay_s = RETRY_DELAYS_SECONDS[min(tried, len(RETRY_DELAYS_SECONDS) - 1)]
    _log.warning(
        "command set aside", message_id=message.message_id, attempts=tried + 1, delay_s=delay_s, error=why[:500]
    )
    again = _copy(message, {"attempts": tried + 1})
    await wire.rabbitmq.publish(channel, RETRY_EXCHANGE, f"{delay_s}s.shard.{shard}", again)


async def _bury(
    channel: AbstractChannel, message: AbstractIncomingMessage, shard: int, reason: str, detail: str
) -> None:
    _log.error("command set aside for good", message_id=message.message_id, reason=reason, detail=detail[:500])
    dead = _copy(message, {"attempts": attempts(message), "reason": reason, "detail": detail[:500]})
    await wire.rabbitmq.publish(channel, DEAD_EXCHANGE, f"shard.{shard}", dead)


def _copy(message: AbstractIncomingMessage, headers: dict[str, str | int]) -> aio_pika.Message:
    return aio_pika.Message(
        message.body,
        message_id=message.message_id,
        type=message.type,
        headers={**{name: value for name, value in message.headers.items() if not name.startswith("x-")}, **headers},
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
    )


async def patiently(pool: asyncpg.Pool, command: Command) -> str:
    """Carry out a command, waiting while PostgreSQL is away; raises what it raises while PostgreSQL is there."""
    while True:
        try:
            return await carry_out(pool, command)
        except wire.postgres.TRANSIENT as error:
            if await _answers(pool):
                raise
            _log.warning("waiting for PostgreSQL", error=repr(error)[:500])
        await until_it_answers(pool)


async def _answers(pool: asyncpg.Pool) -> bool:
    try:
        async with asyncio.timeout(5):
            return bool(await pool.fetchval("SELECT 1"))
    except wire.postgres.TRANSIENT:
        return False


async def until_it_answers(pool: asyncpg.Pool) -> None:
    """Ask PostgreSQL until it answers, less often the longer it takes."""
    wait_s = 0.2
    while not await _answers(pool):
        await asyncio.sleep(wait_s)
        wait_s = min(2 * wait_s, LONGEST_WAIT_S)
