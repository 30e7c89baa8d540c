"""What waits for PostgreSQL waits for what passes, and ends when it is told to, not only while PostgreSQL answers."""

import asyncio
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import text

import wire.postgres
from api.errors import Unavailable
from api.worker.patience import again_and_again, patiently
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


EVERYBODYS = ("25006", "28000", "28P01", "53100", "53300")
ONES_OWN = ("40001", "40P01", "55P03", "57014")


def raising(code: str) -> str:
    """A statement that PostgreSQL refuses with this code."""
    return f"DO $$ BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = '{code}'; END $$"


@pytest.mark.parametrize("code", EVERYBODYS)
async def test_what_postgresql_refuses_everybody_is_waited_out(superuser: asyncpg.Pool, code: str) -> None:
    tries = 0

    async def refused_twice() -> int:
        nonlocal tries
        tries += 1
        if tries < 3:
            await superuser.execute(raising(code))
        return tries

    assert await patiently(superuser, refused_twice) == 3


@pytest.mark.parametrize("code", ONES_OWN)
async def test_what_it_refuses_this_one_only_is_told_at_once(superuser: asyncpg.Pool, code: str) -> None:
    with pytest.raises(wire.postgres.TRANSIENT, match="refused"):
        await patiently(superuser, lambda: superuser.execute(raising(code)))


@pytest.mark.parametrize("code", [*EVERYBODYS, *ONES_OWN, "57P01", "57P03"])
async def test_a_request_that_meets_it_is_asked_to_come_again(app: FastAPI, code: str) -> None:
    with pytest.raises(Unavailable) as refused:
        async with app.state.doors.database.transaction(None) as session:
            await session.execute(text(raising(code)))
    assert refused.value.headers == {"Retry-After": "1"}
