"""The door to Redis (or Valkey): a client with time limits."""

import re
from typing import Final

import redis.asyncio
import redis.exceptions
from pydantic import SecretStr

TRANSIENT = (
    redis.exceptions.ConnectionError,
    redis.exceptions.TimeoutError,
    redis.exceptions.BusyLoadingError,
    redis.exceptions.OutOfMemoryError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.ClusterDownError,
    redis.exceptions.TryAgainError,
    redis.exceptions.NoPermissionError,
    redis.exceptions.InvalidResponse,
    OSError,
)
"""It is away, still loads, is full (it forgets nothing to make room), is a replica just now or one without a master;
or its password (a ConnectionError) or our rights are being changed, or what answers is not Redis."""

_HEALING: Final = re.compile(r"\b(MISCONF|BUSY|NOREPLICAS) |ACL failure in script")
"""What has no class of its own: its disk takes nothing, a script takes long, replicas are missing. Of a pipeline's
commands it stands within the text."""


def heals(error: Exception) -> bool:
    """Whether asking the same again later may succeed."""
    refused = isinstance(error, redis.exceptions.ResponseError) and _HEALING.search(str(error))
    return isinstance(error, TRANSIENT) or bool(refused)


def client(url: SecretStr, *, timeout_s: float = 5) -> redis.asyncio.Redis:
    """An asyncio client that answers bytes; each command has `timeout_s`."""
    return redis.asyncio.Redis.from_url(
        url.get_secret_value(), socket_timeout=timeout_s, socket_connect_timeout=2, health_check_interval=15
    )


async def answers(to: redis.asyncio.Redis) -> bool:
    """Whether it answers just now."""
    try:
        return bool(await to.ping())
    except (redis.exceptions.RedisError, OSError):
        return False
