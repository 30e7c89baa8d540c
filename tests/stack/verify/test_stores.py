"""Stores that agree, or not yet, or that no longer hold what they need not."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from stack.figures import Counter, Place
from stack.verify import (
    ACCOUNTS,
    AGGREGATE,
    AGGREGATE_MINUTES,
    BALANCE,
    LOG,
    PAIRS,
    POSTGRES,
    REDIS,
    REDIS_MINUTES,
    SNAPSHOTS_POSTGRES,
    SNAPSHOTS_REDIS,
    Difference,
    in_flight,
)
from tests.stack.verify.conftest import NOW, OLD, System
from tests.stack.verify.planted import account_for_one_more, add_a_ledger_row, grow_an_aggregate
from wire.counters import Cell
from wire.topics import EVENTS


async def test_stores_that_agree_are_equal_and_every_figure_was_looked_at(system: System) -> None:
    outcome = await system.verify()
    assert not outcome.differences
    assert outcome.compared == {
        LOG: 0,
        AGGREGATE: 3 * 2,
        AGGREGATE_MINUTES: 3 * 3,
        REDIS: 3 * 2,
        REDIS_MINUTES: 3 * 2,
        POSTGRES: 3 * 3,
        SNAPSHOTS_REDIS: 3,
        SNAPSHOTS_POSTGRES: 3,
        ACCOUNTS: 1,
        BALANCE: 1,
    }
    assert not any(outcome.not_held.values())


async def test_more_pieces_than_one_batch_are_all_compared(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stack.figures.PIECES_AT_ONCE", 2)
    await system.fill(4)
    outcome = await system.verify()
    assert not outcome.differences
    assert outcome.compared[POSTGRES] == 7 * 3
    assert outcome.compared[AGGREGATE_MINUTES] == 7 * 3


async def test_a_late_event_in_a_minute_that_nobody_watches_is_no_difference(system: System) -> None:
    held = (await system.verify()).compared[REDIS_MINUTES]
    await system.count(system.pieces[0], [Cell("web", "view", 1, 0, 0)], OLD)
    system.events(system.event(system.pieces[0], OLD, "view", "web"), system.event(system.pieces[0], OLD, "read", "x"))
    outcome = await system.verify()
    assert REDIS_MINUTES not in {each.pair for each in outcome.differences}
    assert outcome.compared[REDIS_MINUTES] > held


async def test_a_minute_that_nobody_watches_and_that_has_too_many_is_a_difference(system: System) -> None:
    await system.count(system.pieces[0], [Cell("web", "view", 99, 0, 0)], OLD)
    assert REDIS_MINUTES in {each.pair for each in (await system.verify()).differences}


async def test_an_emptied_redis_is_not_held_and_no_difference(system: System) -> None:
    await system.redis.flushdb()
    outcome = await system.verify()
    assert not outcome.differences
    assert outcome.not_held == dict.fromkeys(PAIRS, 0) | {REDIS: 3, REDIS_MINUTES: 3, SNAPSHOTS_REDIS: 3}


async def test_what_a_lost_log_took_with_it_is_told_and_no_difference(system: System) -> None:
    system.account(0, accepted=8, last_at=NOW - timedelta(hours=1))
    system.clickhouse.insert(
        *("stream_positions", [(EVENTS.name, int(NOW.timestamp()) - 60, 0, 1)]),
        ["topic", "epoch", "partition", "next_offset"],
    )
    outcome = await system.verify()
    assert not outcome.differences
    assert outcome.not_held[BALANCE] == 7


async def test_it_stops_at_the_first_difference_unless_told_to_go_on(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stack.figures.PIECES_AT_ONCE", 1)
    await system.postgres.execute("UPDATE content SET engagement_version = 3")
    assert len((await system.verify(every=False)).differences) == 1
    assert len((await system.verify(every=True)).differences) == 3


async def test_a_figure_on_its_way_is_waited_for_and_a_wrong_one_is_not_forgiven(system: System) -> None:
    await add_a_ledger_row(system)
    looks = 0

    async def arrive(_: Any = None) -> None:
        nonlocal looks
        looks += 1
        if looks == 1:  # the projections catch up after the first look
            await grow_an_aggregate(system)
            await account_for_one_more(system)
            totals = [Cell("web", "view", 4, 0, 1500), Cell("facebook", "read", 1, 1, 7)]
            await system.count(system.pieces[0], totals)
            await system.postgres.execute(
                "UPDATE content SET engagement_version = 5, "
                "engagement_stats = jsonb_set(engagement_stats, $1, '4') WHERE id = $2",
                ["totals", "web", "view", "count"],
                system.pieces[0],
            )

    patched = pytest.MonkeyPatch()
    patched.setattr("stack.verify.Patience.pause", _pausing(arrive))
    assert not (await system.verify(wait_s=10)).differences
    assert looks == 1
    await system.count(system.pieces[0], [Cell("web", "view", 5, 0, 1500), Cell("facebook", "read", 1, 1, 7)])
    assert [each.place for each in (await system.verify(wait_s=10)).differences] == [system.at("web", "view")]
    patched.undo()


def _pausing(during: Callable[[], Awaitable[None]]) -> Any:
    """Waits of no time, three at most, in each of which something happens."""
    left = 3

    async def pause(_: Any) -> bool:
        nonlocal left
        left -= 1
        await during()
        return left > 0

    return pause


def test_only_a_figure_between_the_ledgers_two_is_in_flight() -> None:
    place = Place(Counter((UUID(int=1), UUID(int=2))), "web", "view")

    def flies(first: tuple[int, ...], found: tuple[int, ...], now: tuple[int, ...]) -> bool:
        return in_flight(first, Difference(REDIS, place, now, found))

    assert flies((3, 0, 0), (4, 0, 0), (5, 0, 0))
    assert flies((), (), (1, 0, 0))
    assert not flies((3, 0, 0), (3, 0, 0), (3, 0, 0))
    assert not flies((3, 0, 0), (2, 0, 0), (5, 0, 0))
    assert not flies((3, 0, 0), (6, 0, 0), (5, 0, 0))
    assert not flies((3, 0, 0), (5, 1, 0), (5, 0, 0))
