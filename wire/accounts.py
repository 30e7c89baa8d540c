"""The balance: accepted = stored + duplicate + rejected + in flight, per organization and window of acceptance."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

WINDOW_S: Final = 300
LAST_S: Final = (1 << 32) - 1
"""The last second that ClickHouse's DateTime holds."""

Counts = Mapping[tuple[UUID, int], int]
"""(organization, window) -> events"""


def window(unix_ms: int) -> int:
    """The window (the unix second of its start) in which something received at this time is accounted for."""
    seconds = min(max(unix_ms // 1000, 0), LAST_S)
    return seconds - seconds % WINDOW_S


def window_at(start_s: int) -> datetime:
    """A window as a time."""
    return datetime.fromtimestamp(start_s, UTC)
