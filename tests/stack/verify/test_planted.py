"""Each figure in turn is made wrong, and found where it is."""

from collections.abc import Awaitable, Callable

import pytest

from stack.verify import (
    ACCOUNTS,
    AGGREGATE,
    AGGREGATE_MINUTES,
    BALANCE,
    POSTGRES,
    REDIS,
    REDIS_MINUTES,
    SNAPSHOTS_POSTGRES,
    SNAPSHOTS_REDIS,
    Difference,
)
from tests.stack.verify.conftest import System
from tests.stack.verify.planted import (
    account_for_one_more,
    add_a_ledger_row,
    add_a_redis_minute,
    add_a_redis_total_of_an_unknown_piece,
    add_an_aggregate_of_an_unknown_piece,
    add_postgres_stats_of_an_unknown_piece,
    break_a_redis_total,
    change_a_postgres_snapshot,
    change_a_redis_minute,
    change_a_redis_snapshot,
    change_a_redis_total,
    change_postgres,
    claim_what_nobody_counted,
    give_a_postgres_row_away,
    grow_an_aggregate,
    lose_a_ledger_row,
    lose_a_postgres_row,
    lose_a_redis_minute,
    lose_a_redis_total,
    lower_a_postgres_version,
)

Break = Callable[[System], Awaitable[None]]


@pytest.mark.parametrize(
    ("break_it", "pairs"),
    [
        (lose_a_ledger_row, {AGGREGATE, AGGREGATE_MINUTES, REDIS, REDIS_MINUTES, POSTGRES, ACCOUNTS}),
        (add_a_ledger_row, {AGGREGATE, AGGREGATE_MINUTES, REDIS, POSTGRES, ACCOUNTS}),
        (account_for_one_more, {ACCOUNTS}),
        (claim_what_nobody_counted, {BALANCE}),
        (grow_an_aggregate, {AGGREGATE, AGGREGATE_MINUTES}),
        (add_an_aggregate_of_an_unknown_piece, {AGGREGATE, AGGREGATE_MINUTES, POSTGRES}),
        (change_a_redis_total, {REDIS}),
        (break_a_redis_total, {REDIS}),
        (lose_a_redis_total, {REDIS}),
        (add_a_redis_total_of_an_unknown_piece, {REDIS, POSTGRES}),
        (change_a_redis_minute, {REDIS_MINUTES}),
        (lose_a_redis_minute, {REDIS_MINUTES}),
        (add_a_redis_minute, {REDIS_MINUTES}),
        (change_postgres, {POSTGRES}),
        (lower_a_postgres_version, {POSTGRES}),
        (lose_a_postgres_row, {POSTGRES}),
        (give_a_postgres_row_away, {POSTGRES, SNAPSHOTS_POSTGRES}),
        (add_postgres_stats_of_an_unknown_piece, {POSTGRES}),
        (change_a_redis_snapshot, {SNAPSHOTS_REDIS}),
        (change_a_postgres_snapshot, {SNAPSHOTS_POSTGRES}),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
async def test_one_wrong_figure_is_found_where_it_is(system: System, break_it: Break, pairs: set[str]) -> None:
    await break_it(system)
    outcome = await system.verify()
    assert {each.pair for each in outcome.differences} == pairs
    others = [each for each in outcome.differences if each.place.counter.piece[1] in system.pieces[1:]]
    assert not others


async def test_a_difference_says_where_and_what_each_store_holds(system: System) -> None:
    await change_a_redis_total(system)
    (difference,) = (await system.verify()).differences
    assert difference == Difference(REDIS, system.at("web", "view"), (3, 0, 1500), (3, 0, 1501))
