"""What waits for PostgreSQL ends when it is told to, and not only while PostgreSQL answers."""

import asyncio
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from pydantic import SecretStr

import wire.postgres
from api.worker.patience import again_and_again
from tests.faults.proxy import Link


async def test_what_is_told_to_end_while_postgresql_stands_still_ends_once_it_goes_on(servers: Any) -> None:
    at = urlsplit(servers.postgres_url)
    assert at.port
    begun = asyncio.Event()

    async def ask(pool: asyncpg.Pool) -> bool:
        async with pool.acquire(timeout=0.2) as connection, connection.transaction():
            await connection.fetchval("SELECT 1")
        begun.set()
        return True

    async with Link(at.port) as link:
        through = at._replace(netloc=f"{at.netloc.rpartition('@')[0]}@127.0.0.1:{link.port}")
        pool = await wire.postgres.pool(SecretStr(through.geturl()))
        working = asyncio.create_task(again_and_again(pool, 0.01, ask))
        await begun.wait()
        link.stop()
        await asyncio.sleep(0.05)
        working.cancel()
        await asyncio.sleep(0.4)  # its connection cannot be given back in time
        link.mend()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(working, 5)
        pool.terminate()
