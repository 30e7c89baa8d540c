"""A Kafka message as a processor sees it, and its place in the history of the log."""

from dataclasses import dataclass
from typing import Final

from wire.envelope import Headers

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


def position(epoch: int, offset: int) -> int:
    """The log's epoch (unix second of its birth, from 2025 on) and an offset -> 64 bits that grow with both."""
    return (epoch - _EPOCH_ZERO) << _OFFSET_BITS | offset
