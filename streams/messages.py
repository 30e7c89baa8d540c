"""A Kafka message as a processor sees it, and its place in the history of the log."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from wire.envelope import Headers

FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)
LAST: Final = datetime(2200, 1, 1, tzinfo=UTC)
"""Times that every table holds lie between these."""

_EPOCH_ZERO: Final = 1_735_689_600
_OFFSET_BITS: Final = 34


@dataclass(frozen=True, slots=True)
class Message:
    """One record; `position` orders it among all records that its partition ever had, logs that were lost included."""

    topic: str
    partition: int
    offset: int
    position: int
    key: bytes | None
    value: bytes
    timestamp_ms: int
    headers: Headers = ()

    @property
    def at(self) -> datetime:
        """Its time, which is its producer's; one that no table holds is the next that is held."""
        first_ms, last_ms = (int(at.timestamp() * 1000) for at in (FIRST, LAST))
        return datetime.fromtimestamp(min(max(self.timestamp_ms, first_ms), last_ms) / 1000, UTC)


def position(epoch: int, offset: int) -> int:
    """The log's epoch (unix second of its birth, from 2025 on) and an offset -> 64 bits that grow with both."""
    return (epoch - _EPOCH_ZERO) << _OFFSET_BITS | offset
