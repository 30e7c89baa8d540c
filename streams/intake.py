"""Messages that wait for the next flush: as many as came during the last one, so that flushes are short while little
comes and large while a worker is behind; but never more than fit."""

import asyncio
from bisect import bisect_right
from collections.abc import Sequence
from contextlib import suppress
from itertools import accumulate
from typing import Any, Final

MAX_BYTES: Final = 12 << 20
"""Of messages in one flush, some 250,000 events in full envelopes. As much again waits, and what one fetch brings."""


GATHER_S: Final = 0.02
"""From the first message on: what was sent together comes one by one."""


class Intake:
    """One topic's records, each partition's in order. A single larger one goes alone."""

    def __init__(self, max_messages: int, every_s: float, max_bytes: int = MAX_BYTES) -> None:
        self._max_messages, self._max_bytes, self._every_s = max_messages, max_bytes, every_s
        self._waiting: list[Any] = []
        self._bytes = 0
        self._taken_at = float("-inf")
        self._some, self._full = asyncio.Event(), asyncio.Event()

    @property
    def has_room(self) -> bool:
        """Whether less waits than fits into a flush: then, and only then, something may be `put`."""
        return len(self._waiting) < self._max_messages and self._bytes < self._max_bytes

    def put(self, records: Sequence[Any]) -> None:
        """What a fetch has brought waits, too."""
        self._waiting += records
        self._tell(self._bytes + sum(map(_size, records)))

    async def take(self) -> list[Any]:
        """As much as fits of what waits, once something does: `every_s` after the last time, or as soon as it is full.

        Nothing where all was forgotten meanwhile.
        """
        await self._some.wait()
        now = asyncio.get_running_loop().time
        with suppress(TimeoutError):
            await asyncio.wait_for(self._full.wait(), max(GATHER_S, self._taken_at + self._every_s - now()))
        self._taken_at = now()
        upto = list(accumulate(map(_size, self._waiting[: self._max_messages])))
        fitting = max(1, bisect_right(upto, self._max_bytes))
        taken, self._waiting = self._waiting[:fitting], self._waiting[fitting:]
        self._tell(sum(map(_size, self._waiting)))
        return taken

    def clear(self) -> None:
        """Forget what waits."""
        self._waiting = []
        self._tell(0)

    def _tell(self, size: int) -> None:
        self._bytes = size
        for event, holds in ((self._some, bool(self._waiting)), (self._full, not self.has_room)):
            if holds:
                event.set()
            else:
                event.clear()


def _size(record: Any) -> int:
    return len(record.value or b"")
