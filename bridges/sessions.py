"""A bridge is one session after another: whatever went away, the next one opens everything anew."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final, Never, TypeVar

import structlog

import wire.kafka
import wire.postgres
import wire.rabbitmq
from wire.errors import Transient

TRANSIENT: Final = (Transient, *wire.kafka.TRANSIENT, *wire.postgres.TRANSIENT, *wire.rabbitmq.TRANSIENT)
SHORTEST_S: Final = 0.2
LONGEST_S: Final = 5.0

T = TypeVar("T")
_log = structlog.stdlib.get_logger("bridges")


async def keep(bridge: str, session: Callable[[], Awaitable[Never]]) -> Never:
    """Run sessions until cancelled, waiting longer after each that failed soon; raises what is not transient."""
    wait_s = SHORTEST_S
    while True:
        began = time.monotonic()
        try:
            await session()
        except TRANSIENT as error:
            if time.monotonic() - began > 2 * LONGEST_S:
                wait_s = SHORTEST_S
            _log.warning("waiting", bridge=bridge, error=repr(error)[:500], retry_in_s=wait_s)
        await asyncio.sleep(wait_s)
        wait_s = min(2 * wait_s, LONGEST_S)


@asynccontextmanager
async def opened(door: T, close: Callable[[], Awaitable[object]]) -> AsyncIterator[T]:
    """A door that is closed at the end of a session, within 5 s, whether or not the far side still answers."""
    try:
        yield door
    finally:
        with suppress(*TRANSIENT):
            async with asyncio.timeout(5):
                await close()
