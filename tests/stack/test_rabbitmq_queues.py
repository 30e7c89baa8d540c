"""RabbitMQ, killed in the moment in which its queues are first declared."""

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Any

import aio_pika

import wire.rabbitmq
from wire.topics import COMMAND_SHARDS, COMMANDS_EXCHANGE


async def test_queues_killed_while_they_were_first_declared_take_messages_once_declared_again(
    small: Any, servers: Any, eventually: Callable[..., None]
) -> None:
    small.given |= {
        "TALLYWIRE_POSTGRES_URL": servers.postgres_url,
        "TALLYWIRE_REDIS_URL": f"{servers.redis_url}/0",
        "TALLYWIRE_RABBITMQ_URL": "",
    }
    await asyncio.to_thread(small.up)
    declaring = asyncio.create_task(declare(small))
    await asyncio.sleep(0.1)
    os.kill(small.pid("rabbitmq"), signal.SIGKILL)
    await asyncio.gather(declaring, return_exceptions=True)
    await asyncio.to_thread(eventually, lambda: small.restarts("rabbitmq") == 1, 20)
    await asyncio.to_thread(eventually, lambda: small.state().children["rabbitmq"].condition == "ready", 90)

    connection = await declare(small)
    channel = await wire.rabbitmq.channel(connection)
    for shard in range(COMMAND_SHARDS):
        message = aio_pika.Message(b"{}", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await wire.rabbitmq.publish(channel, COMMANDS_EXCHANGE, f"shard.{shard}", message)
    await connection.close()


async def declare(system: Any) -> aio_pika.abc.AbstractConnection:
    connection = await aio_pika.connect(system.url("rabbitmq"))
    try:
        async with asyncio.timeout(30):
            await wire.rabbitmq.declare(await wire.rabbitmq.channel(connection))  # type: ignore[arg-type]  # not robust
    except BaseException:
        await connection.close()
        raise
    return connection
