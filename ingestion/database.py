"""PostgreSQL as the collector uses it: questions with a deadline, and caches that stay small."""

import asyncio
from collections.abc import MutableMapping
from itertools import islice
from typing import Any, Final

import asyncpg
from pydantic import SecretStr

from wire import postgres
from wire.errors import Transient

TIMEOUT_S: Final = 5


class Database:
    """PostgreSQL, connected when first asked."""

    def __init__(self, url: SecretStr) -> None:
        self._url = url
        self._pool: asyncpg.Pool | None = None
        self._connecting = asyncio.Lock()

    async def fetch(self, sql: str, *values: object) -> list[asyncpg.Record]:
        """The rows. Raises Transient where PostgreSQL does not answer within TIMEOUT_S, or has no such tables yet."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                async with self._connecting:
                    if self._pool is None:
                        self._pool = await postgres.pool(self._url)
                rows: list[asyncpg.Record] = await self._pool.fetch(sql, *values)
                return rows
        except (*postgres.TRANSIENT, asyncpg.PostgresError) as error:
            raise Transient(f"PostgreSQL does not answer: {error!r}") from error

    def close(self) -> None:
        """End every connection at once; there is nothing to finish."""
        if self._pool is not None:
            self._pool.terminate()


def trim(cache: MutableMapping[Any, Any], limit: int) -> None:
    """Drop the oldest entries of a cache that is over its limit, a tenth at a time."""
    if len(cache) > limit:
        for key in list(islice(cache, len(cache) - limit + limit // 10)):
            del cache[key]
