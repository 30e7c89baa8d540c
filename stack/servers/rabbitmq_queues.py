"""Queues that lost their beginning are removed, so that whoever uses them declares them anew.

RabbitMQ 3.10, killed in the second in which a quorum queue is first declared, knows the queue afterwards and has no
leader for it, for good: every declaration succeeds, and no message is ever confirmed. On a single node such a queue
holds nothing, since nothing was ever confirmed by it; in a cluster it may only lack a majority, so this is for one
machine.
"""

import asyncio
from collections import defaultdict
from typing import Final

import aio_pika
import aiohttp
from aio_pika.abc import AbstractConnection, AbstractIncomingMessage
from yarl import URL

LEADER_SECONDS: Final = 15
"""A queue that has something to lead has a leader within a second of the node's start."""


async def remove_leaderless(address: str, management: str) -> None:
    """Look at every quorum queue of the node at an AMQP address, whose management interface is at `management`."""
    at = URL(address)
    login = aiohttp.BasicAuth(at.user or "", at.password or "")
    names: dict[str, list[str]] = defaultdict(list)
    async with (
        aiohttp.ClientSession(auth=login, timeout=aiohttp.ClientTimeout(total=5)) as session,
        session.get(f"{management}/api/queues?columns=vhost,name,type") as answer,
    ):
        answer.raise_for_status()
        for queue in await answer.json():
            if queue["type"] == "quorum":
                names[queue["vhost"]].append(queue["name"])
    for host, queues in names.items():
        connection = await aio_pika.connect(
            host=at.host or "", port=at.port or 0, login=at.user or "", password=at.password or "", virtualhost=host
        )
        async with connection:
            led = await asyncio.gather(*(_has_leader(connection, name) for name in queues))
            for name, has_leader in zip(queues, led, strict=True):
                if not has_leader:
                    channel = await connection.channel()
                    await channel.queue_delete(name)


async def _has_leader(connection: AbstractConnection, name: str) -> bool:
    """Whether a queue holds messages, or lets itself be consumed from: nothing else asks the leader without a trace."""
    channel = await connection.channel()
    queue = await channel.declare_queue(name, passive=True)
    if queue.declaration_result.message_count:
        return True
    try:
        tag = await queue.consume(_give_back, timeout=LEADER_SECONDS)
        await queue.cancel(tag)
    except TimeoutError:
        return False
    await channel.close()
    return True


async def _give_back(message: AbstractIncomingMessage) -> None:
    await message.nack(requeue=True)
