"""How many of something one user may do in any hour, counted in Redis over a moving window."""

import asyncio
import math
import time
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import redis.asyncio
import redis.exceptions
import structlog
from limits import RateLimitItemPerSecond
from limits.aio.storage import RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter

from api.errors import TooMany

DEADLINE_S: Final = 0.5
_log = structlog.stdlib.get_logger("api")


@dataclass(frozen=True)
class Standing:
    """Where a user stands: how many are left, and in how many seconds the next one comes free."""

    name: str
    limit: int
    window_s: int
    remaining: int
    reset_s: int

    def headers(self, now: float) -> dict[str, str]:
        """The IETF draft's fields, and the older ones that many clients read; `now` is unix time."""
        return {
            "RateLimit-Policy": f'"{self.name}";q={self.limit};w={self.window_s}',
            "RateLimit": f'"{self.name}";r={self.remaining};t={self.reset_s}',
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(math.ceil(now) + self.reset_s),
        }


class RateLimit:
    """`amount` per `window_s` for each user. Where Redis does not answer, everybody passes, and the log says so."""

    def __init__(self, client: redis.asyncio.Redis, name: str, *, amount: int, window_s: int) -> None:
        shared: dict[str, Any] = {"connection_pool": client.connection_pool}
        storage = RedisStorage("redis://", implementation="redispy", key_prefix="tw:limits", **shared)
        self._limiter = MovingWindowRateLimiter(storage)
        self._item = RateLimitItemPerSecond(amount, window_s, namespace=name)
        self._name = name

    async def spend(self, user_id: UUID) -> dict[str, str]:
        """Count one more and answer the headers that tell of it. Raises TooMany, counting nothing, once it is spent."""
        try:
            async with asyncio.timeout(DEADLINE_S):
                passed = await self._limiter.hit(self._item, str(user_id))
                stats = await self._limiter.get_window_stats(self._item, str(user_id))
        except (redis.exceptions.RedisError, OSError, TimeoutError) as error:
            told = {"limit": self._name, "error": repr(error)[:200]}
            _log.warning("rate limit not counted, Redis does not answer", seldom=self._name, **told)
            return {}
        now = time.time()
        standing = Standing(
            name=self._name,
            limit=self._item.amount,
            window_s=self._item.get_expiry(),
            remaining=max(0, stats.remaining),
            reset_s=max(1, math.ceil(stats.reset_time - now)),
        )
        if not passed:
            raise TooMany(
                f"{standing.limit} {self._name} an hour are allowed; the next in {standing.reset_s} s",
                headers={"Retry-After": str(standing.reset_s), **standing.headers(now)},
            )
        return standing.headers(now)
