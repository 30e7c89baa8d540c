"""Who may come in now: events a second for each organization, and the memory that all requests share."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType
from typing import Final, Self
from uuid import UUID

from ingestion.database import trim
from ingestion.problems import Problem, unavailable

MAX_BUCKETS: Final = 100_000
"""Some 30 MB."""


@dataclass(slots=True)
class Rates:
    """A token bucket of events for each organization; it holds one second's worth.

    A request is let in while its bucket is not in debt, and charged once its events have been counted: a large batch
    may go into debt, and the next request waits until it is paid. Of too many, those that were charged longest ago are
    forgotten: they are full again.
    """

    events_per_second: int
    clock: Callable[[], float] = time.monotonic
    _buckets: dict[UUID, tuple[float, float]] = field(default_factory=dict)

    def admit(self, organization_id: UUID) -> None:
        """Raises Problem 429 with Retry-After and RateLimit headers while the bucket is in debt."""
        tokens = self._tokens(organization_id)
        if tokens > 0:
            return
        wait_s = max(1, math.ceil((1 - tokens) / self.events_per_second))
        raise Problem(
            HTTPStatus.TOO_MANY_REQUESTS,
            f"This organization may send {self.events_per_second} events a second; send again in {wait_s} s.",
            retry_after=str(wait_s),
            ratelimit_policy=f'"events";q={self.events_per_second};w=1',
            ratelimit=f'"events";r=0;t={wait_s}',
        )

    def charge(self, organization_id: UUID, events: int) -> None:
        """Take this many events from the bucket."""
        left = self._tokens(organization_id) - events
        self._buckets.pop(organization_id, None)
        self._buckets[organization_id] = left, self.clock()
        trim(self._buckets, MAX_BUCKETS)

    def _tokens(self, organization_id: UUID) -> float:
        tokens, at = self._buckets.get(organization_id, (float(self.events_per_second), self.clock()))
        return min(self.events_per_second, tokens + (self.clock() - at) * self.events_per_second)


REQUEST_BYTES: Final = 16 * 1024
"""What a request takes beside its body: its headers, and the objects of its connection and its answer."""
EVENT_BYTES: Final = 512
"""What an event takes beside its texts, from when it was parsed until it is in an envelope."""


@dataclass(slots=True)
class Memory:
    """A bound on the bytes of all requests that are being read or wait for Kafka."""

    limit_bytes: int
    used_bytes: int = 0

    def hold(self) -> "Held":
        """A request's share, given back when its block ends. Raises Problem 503 where nothing is left for it."""
        held = Held(self)
        held.grow_to(REQUEST_BYTES)
        return held


@dataclass(slots=True)
class Held:
    """One request's share of the memory."""

    memory: Memory
    size: int = 0

    def grow_to(self, size: int) -> None:
        """Hold at least `size` bytes. Raises Problem 503 where that is more than is left for all."""
        more = max(0, size - self.size)
        if self.memory.used_bytes + more > self.memory.limit_bytes:
            raise unavailable("More is under way than this collector may hold; send the same again.")
        self.memory.used_bytes += more
        self.size += more

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.memory.used_bytes -= self.size
        self.size = 0
