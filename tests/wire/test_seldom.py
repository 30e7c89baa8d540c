"""What is met again and again is said once in a while, and how often it was met."""

from typing import Any

import pytest
from structlog import DropEvent

from wire.telemetry import Seldom


def said(by: Seldom, **event: Any) -> dict[str, Any] | None:
    try:
        return dict(by(None, "warning", event))
    except DropEvent:
        return None


def test_the_same_is_said_once_in_30_s_and_how_often_it_was_met_meanwhile() -> None:
    now = 0.0
    seldom = Seldom(30, lambda: now)
    first = {"event": "waiting", "error": "full"}
    assert said(seldom, **first, seldom="redis") == first
    for _ in range(1000):
        now += 0.029
        assert said(seldom, **first, seldom="redis") is None
    now = 30.0
    assert said(seldom, **first, seldom="redis") == {**first, "met_since": 1000}
    now = 60.0
    assert said(seldom, **first, seldom="redis") == first


@pytest.mark.parametrize("other", [{"seldom": "clickhouse"}, {"event": "going on"}, {"seldom": None}])
def test_what_is_another_thing_or_no_such_thing_is_said(other: dict[str, Any]) -> None:
    seldom = Seldom(30, lambda: 0.0)
    for event in ({}, other):
        assert said(seldom, **{"event": "waiting", "seldom": "redis", **event})
