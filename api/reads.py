"""Reading in three round trips: in, the rows, out. What is asked for most goes this way."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Self
from uuid import UUID

import asyncpg
import msgspec
from pydantic import SecretStr

import wire.postgres
from api.errors import Unauthenticated, Unavailable

ONE_ROW: Final = "SELECT 1"
"""How PostgreSQL says that a statement has found one."""


class Reads:
    """Connections that only read, each transaction confined to one organization."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    @classmethod
    async def open(cls, url: SecretStr) -> Self:
        """Nothing connects before it is needed."""
        return cls(await wire.postgres.pool(url, min_size=0, max_size=10, init=_read_json, reset=_nothing_to_reset))

    @asynccontextmanager
    async def of(self, organization_id: UUID, proof: str) -> AsyncIterator[asyncpg.Connection]:
        """A transaction that sees what the organization has; `proof` is a statement that finds one row for who may.

        Raises Unauthenticated where it finds none, Unavailable where PostgreSQL does not answer.
        """
        enter = f"BEGIN READ ONLY; SELECT set_config('app.organization_id', '{organization_id}', true); {proof}"
        try:
            async with self._pool.acquire(timeout=5) as connection:
                try:
                    if await connection.execute(enter) != ONE_ROW:
                        raise Unauthenticated("this sign-in is over: the user or the session is no longer active")
                    yield connection
                finally:
                    await connection.execute("ROLLBACK")
        except wire.postgres.TRANSIENT as error:
            raise Unavailable("the database does not answer; try again") from error

    async def close(self) -> None:
        """Give all connections back."""
        self._pool.terminate()


async def _read_json(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=str, decoder=msgspec.json.decode)


async def _nothing_to_reset(_: asyncpg.Connection) -> None:
    """All that was set was set for a transaction that has ended."""
