"""Readiness is asked of PostgreSQL, at most once a second."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from api.errors import Unavailable
from api.health import Readiness


class Counting:
    """The real database, counting how often it is asked, refusing while told to."""

    def __init__(self, database: Any) -> None:
        self._database = database
        self.asked = 0
        self.away = False

    @asynccontextmanager
    async def transaction(self, organization_id: None) -> AsyncIterator[Any]:
        self.asked += 1
        if self.away:
            raise Unavailable("away")
        async with self._database.transaction(organization_id) as session:
            yield session


async def test_readiness_is_asked_once_a_second_and_changes_both_ways(app) -> None:
    now = 100.0
    database = Counting(app.state.doors.database)
    readiness = Readiness(now=lambda: now)
    assert [await readiness.ready(database) for _ in range(5)] == [True] * 5
    assert database.asked == 1
    database.away = True
    now += 0.9
    assert await readiness.ready(database) is True
    now += 0.1
    assert await readiness.ready(database) is False
    database.away = False
    now += 1
    assert await readiness.ready(database) is True
    assert database.asked == 3
