"""The balance: accepted = stored + duplicate + rejected + in flight, per organization and window of acceptance.

Two headers of an envelope let it be accounted for even where the envelope itself cannot be read.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import msgspec

WINDOW_S: Final = 300
LAST_S: Final = (1 << 32) - 1
"""The last second that ClickHouse's DateTime holds."""

EVENTS_HEADER: Final = "events"
"""How many events an envelope holds: `{organization: {window: events}}` as JSON."""
COLLECTOR_HEADER: Final = "collector"
"""The 16 bytes of the id of the collector that wrote it, new with each start of its process."""

Counts = Mapping[tuple[UUID, int], int]
"""(organization, window) -> events"""

_counts = msgspec.json.Decoder(dict[UUID, dict[int, int]])


def window(unix_ms: int) -> int:
    """The window (the unix second of its start) in which something received at this time is accounted for."""
    seconds = min(max(unix_ms // 1000, 0), LAST_S)
    return seconds - seconds % WINDOW_S


def window_at(start_s: int) -> datetime:
    """A window as a time."""
    return datetime.fromtimestamp(start_s, UTC)


def encode(counts: Counts) -> bytes:
    """Counts -> the value of EVENTS_HEADER."""
    told: dict[UUID, dict[int, int]] = {}
    for (organization_id, start_s), events in counts.items():
        told.setdefault(organization_id, {})[start_s] = events
    return msgspec.json.encode(told)


def decode(header: bytes) -> Counts:
    """The value of EVENTS_HEADER -> counts. Raises ValueError for anything else."""
    told = _counts.decode(header)
    counts = {(of, window(1000 * at)): events for of, windows in told.items() for at, events in windows.items()}
    if any(not 0 < events <= 1 << 32 for events in counts.values()):
        raise ValueError(f"counts are out of range: {header[:100]!r}")
    return counts
