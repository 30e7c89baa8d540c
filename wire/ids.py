"""Identities: UUIDv7 whose time is the truth, and the partition that follows from a content's id.

An event's minute is a pure function of its id, so one id can never be counted in two minutes.
"""

import hashlib
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import numpy as np
import numpy.typing as npt
import uuid_utils.compat

Words = npt.NDArray[np.uint64]

WINDOW_PAST_MS: Final = 7 * 24 * 3600 * 1000
"""How old an event's id may be when it arrives, unless its write key may write history."""
WINDOW_FUTURE_MS: Final = 5 * 60 * 1000
"""How far ahead of our clock an event's id may be."""

_MIX: Final = np.uint64(0x9E3779B97F4A7C15)


def new_id() -> UUID:
    """A UUIDv7 of now."""
    return uuid_utils.compat.uuid7()


def id_at(unix_ms: int, *source: str | bytes) -> UUID:
    """The UUIDv7 of `unix_ms` whose remaining 74 bits are a hash of `source`: the same source gives the same id.

    Raises ValueError for a time before 1970 or past year 10889.
    """
    if not 0 <= unix_ms < 1 << 48:
        raise ValueError(f"time {unix_ms} ms does not fit a UUIDv7")
    digest = hashlib.blake2b(digest_size=10)
    for part in source:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(4, "big") + data)
    tail = int.from_bytes(digest.digest(), "big")
    return UUID(int=unix_ms << 80 | 0x7 << 76 | (tail >> 62 & 0xFFF) << 64 | 0b10 << 62 | tail & (1 << 62) - 1)


def time_ms(id_: UUID) -> int:
    """Milliseconds since 1970 that a UUIDv7 carries."""
    return id_.int >> 80


def time_of(id_: UUID) -> datetime:
    """The time that a UUIDv7 carries, UTC."""
    return datetime.fromtimestamp(time_ms(id_) / 1000, UTC)


def words(ids: npt.NDArray[np.uint8]) -> tuple[Words, Words]:
    """(n, 16) bytes of UUIDs -> their high and low 64-bit words, native byte order."""
    both = np.ascontiguousarray(ids).view(">u8").astype(np.uint64)
    return both[:, 0], both[:, 1]


def is_v7(high: Words, low: Words) -> npt.NDArray[np.bool_]:
    """Whether each UUID, given as words, has version 7 and the RFC's variant."""
    version = (high >> np.uint64(12)) & np.uint64(0xF)
    variant = low >> np.uint64(62)
    both: npt.NDArray[np.bool_] = (version == np.uint64(7)) & (variant == np.uint64(2))
    return both


def partitions(high: Words, low: Words, count: int) -> npt.NDArray[np.uint32]:
    """The partition of each content id, given as words; stable for ever for a given `count`."""
    with np.errstate(over="ignore"):
        mixed = (high ^ (low * _MIX)) * _MIX
    return ((mixed >> np.uint64(33)) % np.uint64(count)).astype(np.uint32)


def partition(content_id: UUID, count: int) -> int:
    """The partition of one content id; equals `partitions` of its words."""
    high, low = words(np.frombuffer(content_id.bytes, np.uint8).reshape(1, 16))
    return int(partitions(high, low, count)[0])
