"""What a request may use, opened once: the database, reads of it, Redis, ClickHouse, tokens, passwords, limits."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, cast

import redis.asyncio
from clickhouse_connect.driver.asyncclient import AsyncClient
from clickhouse_connect.driver.exceptions import ClickHouseError
from fastapi import Depends, Request
from pydantic import SecretStr

import wire.clickhouse
import wire.postgres
import wire.redis
from analytics.ask import ask
from api.auth.oidc import Oidc
from api.auth.passwords import Passwords
from api.auth.throttle import Throttle
from api.auth.tokens import Tokens, read_key_file
from api.auth.vault import Vault
from api.db import Database
from api.errors import Unavailable
from api.rate_limit import RateLimit
from api.reads import Reads
from wire.settings import Settings


class ClickHouse:
    """ClickHouse's client, made at the first question: the API starts, and mostly lives, without it."""

    def __init__(self, url: SecretStr) -> None:
        self._url = url
        self._client: AsyncClient | None = None
        self._making = asyncio.Lock()

    async def client(self) -> AsyncClient:
        """The client. Raises Unavailable where ClickHouse does not answer."""
        async with self._making:
            if self._client is None:
                try:
                    self._client = await wire.clickhouse.async_client(self._url, timeout_s=10)
                except (ClickHouseError, *wire.clickhouse.TRANSIENT) as error:
                    raise Unavailable("the analytics database does not answer; try again") from error
            return self._client

    async def ask(self, name: str, **parameters: object) -> list[dict[str, Any]]:
        """The rows of one of `analytics/queries`. Raises Unavailable where ClickHouse does not answer."""
        client = await self.client()
        try:
            return await ask(client, name, **parameters)
        except (ClickHouseError, *wire.clickhouse.TRANSIENT) as error:
            raise Unavailable("the analytics database does not answer; try again") from error

    async def close(self) -> None:
        """Close the client, if there is one."""
        if self._client is not None:
            await self._client.close()


@dataclass(frozen=True)
class Doors:
    """Everything that a request may use."""

    database: Database
    imports: Database
    reads: Reads
    redis: redis.asyncio.Redis
    clickhouse: ClickHouse
    tokens: Tokens
    passwords: Passwords
    throttle: Throttle
    vault: Vault
    oidc: Oidc
    web_url: str
    most_api_keys: int
    """in force at once, of one user"""
    creations: RateLimit


@asynccontextmanager
async def open_doors(settings: Settings) -> AsyncIterator[Doors]:
    """Open all doors; none of them connects before it is needed. Raises ValueError without signing keys."""
    tokens = Tokens(read_key_file(settings.signing_keys_file))
    fast = wire.redis.client(settings.redis_url, timeout_s=1)
    doors = Doors(
        database=Database(wire.postgres.engine(settings.postgres_app_url)),
        imports=Database(wire.postgres.engine(settings.postgres_import_url, pool_size=4)),
        reads=await Reads.open(settings.postgres_app_url),
        redis=fast,
        clickhouse=ClickHouse(settings.clickhouse_url),
        tokens=tokens,
        passwords=Passwords(),
        throttle=Throttle(fast),
        vault=Vault(settings.encryption_keys),
        oidc=Oidc(settings, fast),
        web_url=settings.web_url.rstrip("/"),
        most_api_keys=settings.api_keys_per_user,
        creations=RateLimit(fast, "creations", amount=100, window_s=3600),
    )
    try:
        yield doors
    finally:
        doors.passwords.close()
        await doors.clickhouse.close()
        await doors.redis.aclose()
        await doors.reads.close()
        await doors.imports.close()
        await doors.database.close()


async def doors_of(request: Request) -> Doors:
    """The doors of the application that a request came to; not a plain function, for which FastAPI takes a thread."""
    return cast("Doors", request.app.state.doors)


OpenDoors = Annotated[Doors, Depends(doors_of)]
