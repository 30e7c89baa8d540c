"""Rates of many organizations take bounded memory, and none of them gets more for it."""

from uuid import UUID

import pytest

from ingestion.admission import MAX_BUCKETS, Rates
from ingestion.problems import Problem


def test_of_too_many_organizations_those_charged_longest_ago_are_forgotten_and_debts_of_now_are_not() -> None:
    rates, now_s = Rates(10, clock=lambda: now_s), 0.0
    early, late = UUID(int=MAX_BUCKETS), UUID(int=MAX_BUCKETS + 1)
    rates.charge(late, 5)
    rates.charge(early, 5)
    for n in range(MAX_BUCKETS - 2):
        rates.charge(UUID(int=n), 1)
    rates.charge(late, 10)
    now_s = 0.4
    rates.charge(UUID(int=MAX_BUCKETS + 2), 1)
    assert len(rates._buckets) <= MAX_BUCKETS
    assert early not in rates._buckets
    with pytest.raises(Problem, match="may send 10 events a second"):
        rates.admit(late)
