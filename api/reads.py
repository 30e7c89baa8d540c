"""Reading in one round trip: who asks and what is asked for are one statement. What is asked for most goes this way."""

from typing import Any, Final, NamedTuple, Self
from uuid import UUID

import asyncpg
import msgspec
from pydantic import SecretStr

import wire.postgres
from api.errors import Unauthenticated, Unavailable


class Reader(NamedTuple):
    """Who reads; without a user a visit, which was checked before."""

    organization_id: UUID
    user_id: UUID | None
    session_id: UUID | None = None


class Statement(NamedTuple):
    """SQL that reads what a reader may, and its values after the reader's: $4 first."""

    sql: str
    values: list[Any]


def confined(question: str, order: str = "") -> str:
    """The statement that lets a reader in, and then asks a question about `reader.organization_id`.

    PostgreSQL cannot begin with the question: it needs what comes out of `entered`. Nothing found is a row of nulls.
    """
    entered = "entered($1, $2, $3) AS reader (organization_id)"
    return f"SELECT found.* FROM {entered} LEFT JOIN LATERAL ({question} OFFSET 0) AS found ON true {order}"  # noqa: S608 - our own words


class Reads:
    """Connections that only read, each statement confined to one organization."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    @classmethod
    async def open(cls, url: SecretStr) -> Self:
        """Nothing connects before it is needed."""
        return cls(await wire.postgres.pool(url, min_size=0, max_size=10, reset=_nothing_to_reset, **KEPT))

    async def rows(self, reader: Reader, asked: Statement) -> list[asyncpg.Record]:
        """What a `confined` statement finds, one row at least.

        Raises Unauthenticated where the reader is not let in, Unavailable where PostgreSQL does not answer.
        """
        try:
            async with self._pool.acquire(timeout=5) as connection:
                found: list[asyncpg.Record] = await connection.fetch(asked.sql, *reader, *asked.values)
        except wire.postgres.TRANSIENT as error:
            raise Unavailable("the database does not answer; try again") from error
        if not found:
            raise Unauthenticated("this sign-in is over: the user or the session is no longer active; sign in again")
        return found

    async def close(self) -> None:
        """Give all connections back."""
        self._pool.terminate()


async def _read_json(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=str, decoder=msgspec.json.decode)


async def _nothing_to_reset(_: asyncpg.Connection) -> None:
    """All that was set was set for a transaction that has ended."""


KEPT: Final[dict[str, Any]] = {
    "init": _read_json,
    # one plan for each statement, whatever is asked with it: to plan anew costs as much as to read a piece
    "server_settings": {"default_transaction_read_only": "on", "plan_cache_mode": "force_generic_plan"},
    # both would cost each read a timer or a plan, and nothing is gained by giving up what works
    "max_inactive_connection_lifetime": 0,
    "max_cached_statement_lifetime": 0,
}
"""What a connection is told when it is made; it is kept until it breaks."""
