"""The worker's life: one session after another until it is told to stop."""

import asyncio
import time
from contextlib import suppress
from typing import Final, Never

import asyncpg
import structlog

import wire.postgres
import wire.rabbitmq
from api.worker.carry_out import forget
from api.worker.consume import serve
from api.worker.patience import LONGEST_WAIT_S, SHORTEST_WAIT_S, again_and_again, patiently
from api.worker.reminders import remind_next
from api.worker.retry import retry_next
from api.worker.schedule import issue_next
from wire.errors import Transient
from wire.settings import Settings

TRANSIENT: Final = (Transient, *wire.postgres.TRANSIENT, *wire.rabbitmq.TRANSIENT)
FORGET_EVERY_S: Final = 3600
LOOK_EVERY_S: Final = 0.5
_log = structlog.stdlib.get_logger("api")


async def run(settings: Settings) -> Never:
    """Carry out commands until cancelled; whatever went away, the next session opens everything anew."""
    wait_s = SHORTEST_WAIT_S
    while True:
        began = time.monotonic()
        try:
            await _session(settings)
        except* TRANSIENT as errors:
            if time.monotonic() - began > 2 * LONGEST_WAIT_S:
                wait_s = SHORTEST_WAIT_S
            _log.warning("waiting", errors=[repr(error)[:300] for error in errors.exceptions], retry_in_s=wait_s)
        await asyncio.sleep(wait_s)
        wait_s = min(2 * wait_s, LONGEST_WAIT_S)


async def _session(settings: Settings) -> None:
    pool = await wire.postgres.pool(settings.postgres_app_url)
    try:
        connection = await wire.rabbitmq.connect(settings.rabbitmq_url, f"{settings.worker_name} commands")
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(_forget_old(pool))
                both.create_task(again_and_again(pool, LOOK_EVERY_S, issue_next))
                both.create_task(again_and_again(pool, LOOK_EVERY_S, remind_next))
                both.create_task(again_and_again(pool, LOOK_EVERY_S, retry_next))
                both.create_task(serve(connection, pool, lambda: touch(settings)))
        finally:
            with suppress(*TRANSIENT):
                async with asyncio.timeout(5):
                    await connection.close()
    finally:
        pool.terminate()


async def _forget_old(pool: asyncpg.Pool) -> Never:
    while True:
        await patiently(pool, lambda: forget(pool))
        await asyncio.sleep(FORGET_EVERY_S)


def touch(settings: Settings) -> None:
    """Say that the worker is consuming."""
    path = settings.state_dir / f"{settings.worker_name}.ready"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
