"""The door to PostgreSQL: pools and engines, each with a time limit on everything."""

from typing import Any

import asyncpg
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from wire.errors import Transient

REFUSES_ALL = (
    asyncpg.DiskFullError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.TooManyConnectionsError,
)
"""It answers, and what it says is about nobody's statement: whatever else is asked or written fares as badly."""

TRANSIENT = (
    *REFUSES_ALL,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what asyncpg says where the server ended the connection while it was not looking
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.LockNotAvailableError,
    asyncpg.TransactionRollbackError,
    OSError,
    TimeoutError,
)


def engine(url: SecretStr, *, pool_size: int = 10) -> AsyncEngine:
    """An SQLAlchemy engine over asyncpg; 5 s to connect, 30 s a statement, 5 s to wait for a connection.

    Its errors do not repeat the values that were sent: they end up in logs.
    """
    return create_async_engine(
        url.get_secret_value().replace("postgresql://", "postgresql+asyncpg://", 1),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=5,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={"timeout": 5, "command_timeout": 30},
    )


async def pool(url: SecretStr, *, min_size: int = 1, max_size: int = 4, **more: Any) -> asyncpg.Pool:
    """A plain asyncpg pool, for those who need no ORM; `more` is asyncpg's own, like `init` and `reset`.

    Raises Transient where PostgreSQL does not answer.
    """
    try:
        return await asyncpg.create_pool(
            url.get_secret_value(), min_size=min_size, max_size=max_size, timeout=5, command_timeout=30, **more
        )
    except TRANSIENT as error:
        raise Transient(f"PostgreSQL does not answer: {error}") from error


async def connection(url: SecretStr) -> asyncpg.Connection:
    """One connection, for what belongs to a session: LISTEN and advisory locks. A dead peer is noticed within 25 s.

    Raises Transient where PostgreSQL does not answer.
    """
    keepalive = {"tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3"}
    try:
        return await asyncpg.connect(url.get_secret_value(), timeout=5, command_timeout=30, server_settings=keepalive)
    except TRANSIENT as error:
        raise Transient(f"PostgreSQL does not answer: {error}") from error
