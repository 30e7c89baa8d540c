"""What several commands understand."""

from datetime import UTC, datetime

import pytest

from stack.commands.options import EVER, time_of
from stack.errors import Refused


def test_times_are_ago_or_in_utc() -> None:
    now = datetime(2026, 3, 9, 12, tzinfo=UTC)
    assert time_of("2h", now) == datetime(2026, 3, 9, 10, tzinfo=UTC)
    assert time_of("7d", now) == datetime(2026, 3, 2, 12, tzinfo=UTC)
    assert time_of("2026-03-01", now) == datetime(2026, 3, 1, tzinfo=UTC)
    assert time_of("2026-03-01T12:30+02:00", now) == datetime(2026, 3, 1, 10, 30, tzinfo=UTC)
    assert time_of("", now) == EVER
    with pytest.raises(Refused, match="soon is no time"):
        time_of("soon", now)
