"""A recount from beginning to end: what is wrong, everything counted anew, and that nothing is wrong any more."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import wire.clickhouse
import wire.postgres
import wire.redis
from stack import verify
from stack.errors import Refused
from stack.figures import Stores
from stack.recount import pieces
from stack.recount.aggregates import Aggregates
from stack.recount.selection import Selection
from stack.verify import Difference, Outcome
from wire.settings import Settings

STATEMENT_SECONDS: Final = 24 * 3600
WORKERS_SECONDS: Final = 90
"""How long workers may take to begin anew, and to carry everything to Redis and PostgreSQL."""
RECOUNTED: Final = frozenset(
    (verify.AGGREGATE, verify.AGGREGATE_MINUTES, verify.REDIS, verify.REDIS_MINUTES, verify.POSTGRES)
)
_LOCK: Final = "SELECT pg_try_advisory_lock(hashtext('tallywire recount'))"


@dataclass(frozen=True)
class Report:
    """What was found wrong, figure by figure; what still is; in a dry run nothing was changed and `generation` is 0."""

    generation: int
    found: tuple[Difference, ...]
    left: tuple[Difference, ...]
    compared: int
    pieces: int


async def recount(
    settings: Settings, selection: Selection, *, dry_run: bool, wait_s: float, step: Callable[[str], None]
) -> Report:
    """Look, count anew, look again. Raises Refused where another recount runs; the doors' errors where one is away."""
    async with AsyncExitStack() as doors:
        stores = await doors.enter_async_context(_stores(settings))
        if dry_run:
            step("comparing")
            before = await _compare(stores, selection, wait_s)
            return Report(0, _ours(before), (), sum(before.compared.values()), 0)
        await doors.enter_async_context(_alone(settings))
        clickhouse = await asyncio.to_thread(
            partial(wire.clickhouse.client, settings.clickhouse_url, timeout_s=STATEMENT_SECONDS)
        )
        doors.push_async_callback(asyncio.to_thread, clickhouse.close)
        aggregates = Aggregates(clickhouse)
        await asyncio.to_thread(aggregates.release)
        step("comparing")
        before = await _compare(stores, selection, wait_s)
        unknown = [piece async for some in pieces.unknown(stores, selection) for piece in some]
        generation = await asyncio.to_thread(aggregates.recount, selection, unknown, step)
        again = await asyncio.to_thread(aggregates.listed, generation)
        step("comparing again, while the workers carry it to Redis and PostgreSQL")
        after = await _compare(stores, selection, max(wait_s, WORKERS_SECONDS))
        return Report(generation, _ours(before), _ours(after), sum(after.compared.values()), again)


async def _compare(stores: Stores, selection: Selection, wait_s: float) -> Outcome:
    selected = None if selection.is_everything else pieces.pieces(stores, selection)
    return await verify.verify(stores, wait_s=wait_s, every=True, pieces=selected)


def _ours(outcome: Outcome) -> tuple[Difference, ...]:
    return tuple(each for each in outcome.differences if each.pair in RECOUNTED)


@asynccontextmanager
async def _stores(settings: Settings) -> AsyncIterator[Stores]:
    async with AsyncExitStack() as doors:
        clickhouse = await wire.clickhouse.async_client(settings.clickhouse_url)
        doors.push_async_callback(clickhouse.close)
        redis = wire.redis.client(settings.redis_url, timeout_s=60)
        doors.push_async_callback(redis.aclose)
        postgres = await wire.postgres.pool(settings.postgres_relay_url, max_size=2)
        doors.push_async_callback(postgres.close)
        yield Stores(clickhouse, redis, postgres)


@asynccontextmanager
async def _alone(settings: Settings) -> AsyncIterator[None]:
    """One recount at a time; the lock ends with the process. Raises Refused where another holds it."""
    pool: Any = await wire.postgres.pool(settings.postgres_relay_url, max_size=1)
    try:
        async with pool.acquire() as connection:
            if not await connection.fetchval(_LOCK):
                raise Refused("Another recount is running; wait for it, or end it and try again")
            yield
    finally:
        await pool.close()
