"""While PostgreSQL is away, or refuses whatever anybody asks of it, whatever needs it waits in place."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Never, TypeVar

import asyncpg
import structlog

import wire.postgres

SHORTEST_WAIT_S: Final = 0.2
LONGEST_WAIT_S: Final = 5.0

T = TypeVar("T")
_log = structlog.stdlib.get_logger("api")


async def again_and_again(
    pool: asyncpg.Pool, every_s: float, do_next: Callable[[asyncpg.Pool], Awaitable[bool]]
) -> Never:
    """Do the next one until there is none (False), look again after `every_s`, until cancelled."""
    while True:
        try:
            while await patiently(pool, lambda: do_next(pool)):
                pass
        except wire.postgres.TRANSIENT as error:
            _log.warning("not now, will be tried again", error=repr(error)[:500])
        await asyncio.sleep(every_s)


async def patiently(pool: asyncpg.Pool, do: Callable[[], Awaitable[T]]) -> T:
    """Do it, waiting longer each time while PostgreSQL is away or refuses all; else raises what it raises."""
    wait_s = SHORTEST_WAIT_S
    while True:
        try:
            return await do()
        except wire.postgres.TRANSIENT as error:
            _end_if_cancelled(error)
            if not isinstance(error, wire.postgres.REFUSES_ALL) and await _answers(pool):
                raise
            _log.warning("waiting for PostgreSQL", error=repr(error)[:500], seldom="postgres")
        await asyncio.sleep(wait_s)
        wait_s = min(2 * wait_s, LONGEST_WAIT_S)


async def _answers(pool: asyncpg.Pool) -> bool:
    try:
        async with asyncio.timeout(5):
            return bool(await pool.fetchval("SELECT 1"))
    except wire.postgres.TRANSIENT as error:
        _end_if_cancelled(error)
        return False


def _end_if_cancelled(error: Exception) -> None:
    """Where PostgreSQL stands still, a cancelled task cannot give its connection back, and the error of that comes in
    the cancellation's place: whoever took it for a reason to go on would be waited for for ever."""
    task = asyncio.current_task()
    if task and task.cancelling():
        raise asyncio.CancelledError from error
