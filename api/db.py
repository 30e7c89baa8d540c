"""PostgreSQL from the inside of a request: one transaction, confined to one organization, committed once, here."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from sqlalchemy.orm import DeclarativeBase

import wire.postgres
from api.errors import Unavailable


class Base(DeclarativeBase):
    """Every mapped table: text without a length, times with a zone."""

    type_annotation_map = {  # noqa: RUF012 - how SQLAlchemy wants to be told
        str: sqlalchemy.Text(),
        int: sqlalchemy.Integer(),
        datetime: sqlalchemy.DateTime(timezone=True),
    }


def enum_of(kind: type[StrEnum], name: str) -> sqlalchemy.Enum:
    """PostgreSQL's enum type `name`, as `kind`."""
    return sqlalchemy.Enum(kind, name=name, values_callable=lambda members: [member.value for member in members])


async def confine(session: AsyncSession, organization_id: UUID) -> None:
    """From here to the end of the transaction, row-level security shows this organization's rows only."""
    await session.execute(text("SELECT set_config('app.organization_id', :id, true)"), {"id": str(organization_id)})


class Database:
    """The pool, and the only way to a session."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._sessions = async_sessionmaker(engine, expire_on_commit=False)

    @asynccontextmanager
    async def transaction(self, organization_id: UUID | None) -> AsyncIterator[AsyncSession]:
        """A transaction that sees this organization's rows (none at all for None) and commits at the end.

        Raises Unavailable where PostgreSQL does not answer or has no connection free.
        """
        try:
            async with self._sessions.begin() as session:
                if organization_id is not None:
                    await confine(session, organization_id)
                yield session
        except (DBAPIError, NoConnectionFree, *wire.postgres.TRANSIENT) as error:
            if is_transient(error):
                raise Unavailable("the database does not answer; try again") from error
            raise

    async def close(self) -> None:
        """Give all connections back."""
        await self._engine.dispose()


def is_transient(error: BaseException | None) -> bool:
    """Whether waiting may help, however deep SQLAlchemy wrapped what asyncpg said."""
    if isinstance(error, ValueError):
        return False
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or is_transient(error.orig)
    if isinstance(error, (NoConnectionFree, *wire.postgres.TRANSIENT)):
        return True
    return error is not None and is_transient(error.__cause__)
