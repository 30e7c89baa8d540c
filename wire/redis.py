"""The door to Redis (or Valkey): a client with time limits."""

import redis.asyncio
import redis.exceptions
from pydantic import SecretStr

TRANSIENT = (
    redis.exceptions.ConnectionError,
    redis.exceptions.TimeoutError,
    redis.exceptions.BusyLoadingError,
    redis.exceptions.OutOfMemoryError,
    redis.exceptions.ReadOnlyError,
    OSError,
)
"""It is away, still loads, is full (it forgets nothing to make room), or is a replica just now."""


def client(url: SecretStr, *, timeout_s: float = 5) -> redis.asyncio.Redis:
    """An asyncio client that answers bytes; each command has `timeout_s`."""
    return redis.asyncio.Redis.from_url(
        url.get_secret_value(), socket_timeout=timeout_s, socket_connect_timeout=2, health_check_interval=15
    )


async def answers(to: redis.asyncio.Redis) -> bool:
    """Whether it answers just now."""
    try:
        return bool(await to.ping())
    except TRANSIENT:
        return False
