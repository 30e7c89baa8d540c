"""The gauge of events that were accepted, by any collector, and are not counted yet.

Asked of ClickHouse and not of who counts, so that it tells the truth while nobody does.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime
from typing import Final

from ingestion.accounts_table import AWAY, AccountsTable
from wire.accounts import WINDOW_S, window, window_at
from wire.telemetry import EVENTS_IN_FLIGHT

EVERY_S: Final = 10
FIRST_S: Final = 7 * 24 * 3600
"""How far back the first question goes; each later one begins with the oldest window that was not settled."""


async def watch(table: AccountsTable, now: Callable[[], float] = time.time) -> None:
    """Keep the gauge, for ever; not a number while ClickHouse is away."""
    since = _window(now() - FIRST_S)
    while True:
        try:
            events, oldest = await table.in_flight(since)
        except AWAY:
            EVENTS_IN_FLIGHT.set(float("nan"))
        else:
            EVENTS_IN_FLIGHT.set(events)
            since = oldest or _window(now() - 2 * WINDOW_S)
        await asyncio.sleep(EVERY_S)


def _window(unix_s: float) -> datetime:
    return window_at(window(int(unix_s * 1000)))
