"""Servers that are there and refuse, for as long as a context lasts; each is asked by an administrator's connection."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
from clickhouse_connect.driver.asyncclient import AsyncClient
from redis.asyncio import Redis
from redis.exceptions import ResponseError

# -- Redis


@asynccontextmanager
async def setting(server: Redis, name: str, value: str) -> AsyncIterator[None]:
    """Redis with another setting."""
    before = (await server.config_get(name))[name]
    await server.config_set(name, value)
    try:
        yield
    finally:
        await server.config_set(name, before)


def full(server: Redis) -> AbstractAsyncContextManager[None]:
    """It has no room for anything new."""
    return setting(server, "maxmemory", "1mb")


@asynccontextmanager
async def cannot_save(server: Redis) -> AsyncIterator[None]:
    """Its snapshots fail, since a folder stands where they go."""
    snapshot = Path((await server.config_get("dir"))["dir"]) / "dump.rdb"
    snapshot.unlink(missing_ok=True)
    snapshot.mkdir()
    try:
        async with setting(server, "save", "3600 1"):
            await server.bgsave()
            while (await server.info("persistence"))["rdb_bgsave_in_progress"]:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0)
            yield
    finally:
        snapshot.rmdir()


@asynccontextmanager
async def replica(server: Redis) -> AsyncIterator[None]:
    """Of a master that nobody has ever seen."""
    await server.execute_command("REPLICAOF", "127.0.0.1", "1")
    try:
        yield
    finally:
        await server.execute_command("REPLICAOF", "NO", "ONE")


@asynccontextmanager
async def busy(server: Redis) -> AsyncIterator[None]:
    """A script of somebody's goes on and on."""
    async with setting(server, "busy-reply-threshold", "1"):
        running = asyncio.create_task(server.eval("while true do end", 0))
        await asyncio.sleep(0.1)
        try:
            yield
        finally:
            await server.script_kill()
            with pytest.raises(ResponseError, match="killed"):
                await running


@asynccontextmanager
async def without_rights(server: Redis) -> AsyncIterator[None]:
    """Who is signed in may not write."""
    await server.execute_command("ACL", "SETUSER", "default", "-@write")
    try:
        yield
    finally:
        await server.execute_command("ACL", "SETUSER", "default", "+@all")


# -- PostgreSQL


@asynccontextmanager
async def read_only(superuser: asyncpg.Pool) -> AsyncIterator[None]:
    """Every session of the server is, from its next transaction on, as on a standby."""

    async def told(statement: str) -> None:
        async with superuser.acquire() as connection:
            await connection.execute("SET default_transaction_read_only = off")
            await connection.execute(f"ALTER SYSTEM {statement}")
            await connection.execute("SELECT pg_reload_conf()")
        await asyncio.sleep(0.2)

    await told("SET default_transaction_read_only = on")
    try:
        yield
    finally:
        await told("RESET default_transaction_read_only")


@asynccontextmanager
async def lets_nobody_in(superuser: asyncpg.Pool) -> AsyncIterator[None]:
    """The database has no connection free for anybody, and those that were there are ended."""
    async with superuser.acquire() as connection:
        name = await connection.fetchval("SELECT current_database()")
        ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()"
        await connection.execute(f'ALTER DATABASE "{name}" CONNECTION LIMIT 0')
        try:
            await connection.fetch(ended, name)
            yield
        finally:
            await connection.execute(f'ALTER DATABASE "{name}" CONNECTION LIMIT -1')


# -- ClickHouse


@asynccontextmanager
async def put_away(clickhouse: AsyncClient, tables: Sequence[str]) -> AsyncIterator[None]:
    """These tables are detached."""
    try:
        for table in tables:
            await clickhouse.command(f"DETACH TABLE {table}")
        yield
    finally:
        for table in tables:
            await clickhouse.command(f"ATTACH TABLE IF NOT EXISTS {table}")


@asynccontextmanager
async def too_many_parts(clickhouse: AsyncClient, tables: Sequence[str]) -> AsyncIterator[None]:
    """These tables take no insert, since they have parts."""
    limits = ("parts_to_delay_insert", "parts_to_throw_insert", "max_parts_in_total")
    for table in tables:
        await clickhouse.command(f"ALTER TABLE {table} MODIFY SETTING {', '.join(f'{each} = 1' for each in limits)}")
    try:
        yield
    finally:
        for table in tables:
            await clickhouse.command(f"ALTER TABLE {table} RESET SETTING {', '.join(limits)}")
