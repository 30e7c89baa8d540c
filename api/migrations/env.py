"""Alembic's entry: one connection as the owner, one transaction, one migration at a time."""

import asyncio

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from api.migrations.roles import ensure_role, role_of
from wire.settings import Settings, settings

LOCK = 0x7A11_0001
"""Held to the end of the transaction, so that two deployments at once migrate one after the other."""


def _run(connection: Connection) -> None:
    context.configure(connection=connection)
    with context.begin_transaction():
        connection.execute(text("SET LOCAL lock_timeout = '60s'"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        driver = connection.connection.dbapi_connection
        if driver is None:
            raise RuntimeError("the connection to PostgreSQL went away")
        of: Settings = context.config.attributes["settings"]
        for url in (of.postgres_app_url, of.postgres_relay_url, of.postgres_import_url):
            driver.run_async(lambda owner, url=url: ensure_role(owner, url))
        context.run_migrations()


async def _online() -> None:
    of: Settings = context.config.attributes.setdefault("settings", settings())
    context.config.attributes["roles"] = {
        "tallywire_app": role_of(of.postgres_app_url),
        "tallywire_relay": role_of(of.postgres_relay_url),
        "tallywire_import": role_of(of.postgres_import_url),
    }
    url = of.postgres_url.get_secret_value().replace("postgresql://", "postgresql+asyncpg://", 1)
    engine = create_async_engine(url, poolclass=NullPool, connect_args={"timeout": 10})
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_run)
    finally:
        await engine.dispose()


asyncio.run(_online())
