"""Waiting for a store that is away, without losing anything and without spinning."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog

import wire.clickhouse
import wire.kafka
import wire.redis
from wire.errors import Transient

TRANSIENT: Final = (Transient, *wire.kafka.TRANSIENT)
_LONGEST_S: Final = 5.0

_log = structlog.stdlib.get_logger("streams.retry")
T = TypeVar("T")


async def until_done(what: str, attempt: Callable[[], Awaitable[T]]) -> T:
    """Attempt until it succeeds, waiting longer each time, 5 s at most; errors that waiting cannot mend are raised."""
    wait_s = 0.05
    while True:
        try:
            return await attempt()
        except Exception as error:
            if not (isinstance(error, TRANSIENT) or wire.clickhouse.heals(error) or wire.redis.heals(error)):
                raise
            _log.warning("waiting", what=what, error=str(error)[:300], retry_in_s=wait_s, seldom=what)
        await asyncio.sleep(wait_s)
        wait_s = min(wait_s * 2, _LONGEST_S)
