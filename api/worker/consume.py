"""The command queues, each shard one command after another.

What happens to a command that fails:
    PostgreSQL is away          it waits in place, and so does its shard: nothing else could be done either
    only this one fails, now    it waits aside (`api/worker/aside.py`), longer each time, and those of its key behind it
    it never can be done        it is dead, kept with its reason
What others have sent to the dead letters, or RabbitMQ has given up, is kept there too.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Never

import asyncpg
import structlog
from aio_pika.abc import AbstractIncomingMessage, AbstractRobustConnection

import wire.postgres
import wire.rabbitmq
from api.worker.aside import Aside, delay, of_command, of_message, set_aside
from api.worker.carry_out import carry_out, count, decode
from api.worker.patience import patiently
from wire.commands import Command
from wire.errors import Poison, Transient
from wire.topics import COMMANDS, DEAD, Queue

PREFETCH: Final = 20

Settle = Callable[[asyncpg.Pool, AbstractIncomingMessage], Awaitable[None]]
_log = structlog.stdlib.get_logger("api")


async def serve(connection: AbstractRobustConnection, pool: asyncpg.Pool, ready: Callable[[], None]) -> Never:
    """Consume every queue until the connection ends, which is raised as Transient (in an ExceptionGroup)."""
    waiting_for = len(COMMANDS) + 1

    def consuming() -> None:
        nonlocal waiting_for
        waiting_for -= 1
        if not waiting_for:
            ready()

    await wire.rabbitmq.declare(await wire.rabbitmq.channel(connection))
    async with asyncio.TaskGroup() as queues:
        for queue in COMMANDS:
            queues.create_task(_consume(connection, pool, queue, settle, consuming))
        queues.create_task(_consume(connection, pool, DEAD, bury, consuming))
    raise Transient("every queue ended")


async def _consume(
    connection: AbstractRobustConnection, pool: asyncpg.Pool, queue: Queue, do: Settle, consuming: Callable[[], None]
) -> None:
    arrivals = await wire.rabbitmq.arrivals(await wire.rabbitmq.channel(connection, prefetch=PREFETCH), queue)
    consuming()
    while True:
        message = await arrivals.get()
        if message is None:
            raise Transient(f"RabbitMQ gives nothing more of {queue.name}")
        await do(pool, message)
        await message.ack()


async def settle(pool: asyncpg.Pool, message: AbstractIncomingMessage) -> None:
    """Carry a message's command out, or set it aside; afterwards it may be acknowledged."""
    try:
        command = decode(message.body)
    except Poison as poison:
        await _keep(pool, of_message(*_envelope(message), poison.reason, poison.detail))
        count(message.type, "dead")
        return
    outcome = await _settle_command(pool, command, message.body)
    count(command.type, outcome)


async def _settle_command(pool: asyncpg.Pool, command: Command, body: bytes) -> str:
    try:
        return await patiently(pool, lambda: carry_out(pool, command))
    except Poison as poison:
        outcome, why = "dead", {"reason": poison.reason, "detail": poison.detail}
    except wire.postgres.TRANSIENT as error:
        outcome, why = "retried", {"reason": "not_now", "detail": repr(error)}
    except Exception as error:
        _log.exception("command failed", command_type=command.type, message_id=str(command.id))
        outcome, why = "retried", {"reason": "unexpected_error", "detail": repr(error)}
    wait = delay(1) if outcome == "retried" else None
    await _keep(pool, of_command(command, body, attempts=1, wait=wait, **why))
    return outcome


async def bury(pool: asyncpg.Pool, message: AbstractIncomingMessage) -> None:
    """Keep a dead letter that another process has written, or that was delivered too often."""
    reason = str(message.headers.get("reason", "delivered_too_often"))
    detail = str(message.headers.get("detail", "whoever took it died each time"))
    try:
        letter = of_command(decode(message.body), message.body, attempts=0, wait=None, reason=reason, detail=detail)
    except Poison:
        letter = of_message(*_envelope(message), reason, detail)
    await _keep(pool, letter)


def _envelope(message: AbstractIncomingMessage) -> tuple[str, str, bytes]:
    return message.message_id or "", message.type or "unknown", message.body


async def _keep(pool: asyncpg.Pool, one: Aside) -> None:
    log = _log.error if one.wait is None else _log.warning
    told = "command is dead" if one.wait is None else "command set aside"
    log(told, message_id=str(one.id), reason=one.reason, detail=one.detail[:500])

    async def keep() -> None:
        async with pool.acquire(timeout=5) as connection, connection.transaction():
            await set_aside(connection, one)

    await patiently(pool, keep)
