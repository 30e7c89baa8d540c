"""Messages that wait for the next flush: as many as came during the last one, so that flushes are short while little
comes and large while a worker is behind; but never more than fit."""

import asyncio
from contextlib import suppress
from typing import Any, Final

MAX_BYTES: Final = 12 << 20
"""Of messages that wait, some 250,000 events in full envelopes; as much again is being processed."""


GATHER_S: Final = 0.02
"""From the first message on: what was sent together comes one by one."""


class Intake:
    """One stream's events (Faust's), in order. A single larger message fits where nothing else waits."""

    def __init__(self, max_messages: int, every_s: float, max_bytes: int = MAX_BYTES) -> None:
        self._max_messages, self._max_bytes, self._every_s = max_messages, max_bytes, every_s
        self._waiting: list[Any] = []
        self._bytes = 0
        self._cleared = 0
        self._taken_at = float("-inf")
        self._some, self._full, self._room = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._room.set()

    async def put(self, event: Any) -> None:
        """Returns at once while there is room; then when the waiting ones are taken, or forgotten and this one too."""
        size, cleared = len(event.message.value or b""), self._cleared
        while self._waiting and (len(self._waiting) >= self._max_messages or self._bytes + size > self._max_bytes):
            self._full.set()
            self._room.clear()
            await self._room.wait()
            if self._cleared != cleared:
                return
        self._waiting.append(event)
        self._bytes += size
        self._some.set()

    async def take(self) -> list[Any]:
        """All that waits, once something does: `every_s` after the last time, or as soon as no more fit."""
        await self._some.wait()
        now = asyncio.get_running_loop().time
        with suppress(TimeoutError):
            await asyncio.wait_for(self._full.wait(), max(GATHER_S, self._taken_at + self._every_s - now()))
        self._taken_at = now()
        taken = self._waiting
        self._empty()
        return taken

    def clear(self) -> None:
        """Forget what waits, and what waits for room."""
        self._cleared += 1
        self._empty()

    def _empty(self) -> None:
        self._waiting, self._bytes = [], 0
        self._some.clear()
        self._full.clear()
        self._room.set()
