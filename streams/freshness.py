"""Up to when is everything counted? One time per partition of the events topic, to be shown beside each figure."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import redis.asyncio
import redis.exceptions
import structlog

from wire.counters import AS_OF

EVERY_S: Final = 0.5
_MARGIN_MS: Final = 200
"""The broker answered a little before its answer was noted."""

_log = structlog.stdlib.get_logger("streams.freshness")


def as_of_ms(next_offset: int, high_water: int | None, polled_ms: int | None, counted_ms: int | None) -> int | None:
    """Unix ms up to which a partition's accepted events are counted; None where nothing is known yet.

    Where all that the broker had is counted, that is when it was asked; else `counted_ms`, the time of the newest
    message counted.
    """
    if high_water is not None and polled_ms and next_offset >= high_water:
        return polled_ms - _MARGIN_MS
    return counted_ms


async def publish_for_ever(client: redis.asyncio.Redis, read: Callable[[], dict[int, int | None]]) -> None:
    """Write `read()` (partition -> unix ms) to Redis twice a second; readers see an old time where this stops."""
    while True:
        known = {str(partition): at for partition, at in read().items() if at is not None}
        try:
            if known:
                await client.hset(AS_OF, mapping=dict[Any, Any](known))
        except (redis.exceptions.RedisError, OSError) as error:
            _log.warning("not told up to when all is counted", error=str(error)[:300], seldom="freshness")
        await asyncio.sleep(EVERY_S)
