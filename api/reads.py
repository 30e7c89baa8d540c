"""Reading for somebody who is signed in, in three round trips: in, the rows, out. What is read most goes this way."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

import asyncpg
import msgspec
from pydantic import SecretStr

import wire.postgres
from api.auth.tokens import Claims
from api.errors import Unauthenticated, Unavailable


class Reads:
    """Connections that only read, each transaction confined to one organization."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    @classmethod
    async def open(cls, url: SecretStr) -> Self:
        """Nothing connects before it is needed."""
        return cls(await wire.postgres.pool(url, min_size=0, max_size=10, init=_read_json, reset=_nothing_to_reset))

    @asynccontextmanager
    async def of(self, claims: Claims) -> AsyncIterator[asyncpg.Connection]:
        """A transaction that sees what the token's organization has.

        Raises Unauthenticated where the user is not active, Unavailable where PostgreSQL does not answer.
        """
        try:
            async with self._pool.acquire(timeout=5) as connection:
                try:
                    if await connection.execute(_enter(claims)) != "SELECT 1":
                        raise Unauthenticated("the user of this access token is no longer active")
                    yield connection
                finally:
                    if not connection.is_closed():
                        await connection.execute("ROLLBACK")
        except wire.postgres.TRANSIENT as error:
            raise Unavailable("the database does not answer; try again") from error

    async def close(self) -> None:
        """Give all connections back."""
        self._pool.terminate()


def _enter(claims: Claims) -> str:
    """Begin, confine, and see whether the user is active: one message. Ids are UUIDs, so nothing needs quoting."""
    user, organization = claims.user_id, claims.organization_id
    confined = f"BEGIN READ ONLY; SELECT set_config('app.organization_id', '{organization}', true)"
    active = f"SELECT FROM users WHERE id = '{user}' AND organization_id = '{organization}' AND status = 'active'"
    return f"{confined}; {active}"


async def _read_json(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=str, decoder=msgspec.json.decode)


async def _nothing_to_reset(_: asyncpg.Connection) -> None:
    """Whatever was set, was set for a transaction that has ended."""
