"""A link that can be bad: TCP passed on to one address, late, slowly, in slices, not at all, or cut."""

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import Self

from stack.ports import HOST


@dataclass
class Link:
    """Use as an async context. What it does to the bytes may be changed at any time."""

    to_port: int
    port: int = 0
    latency_s: float = 0.0
    """of each piece of data, one after another: also what a small window does to throughput"""
    bytes_per_s: float = 0.0
    """of each connection and direction; 0 is no limit"""
    slice_bytes: int = 0
    """at most so many at once; 0 is no limit"""
    _flowing: asyncio.Event = field(default_factory=asyncio.Event)
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def mend(self) -> None:
        """As good as new; connections stay."""
        self.latency_s, self.bytes_per_s, self.slice_bytes = 0.0, 0.0, 0
        self._flowing.set()

    def stop(self) -> None:
        """Connections stand, and nothing arrives."""
        self._flowing.clear()

    def cut(self) -> int:
        """Reset every connection; answers how many there were."""
        for writer in self._writers:
            writer.transport.abort()
        return len(self._writers)

    async def cut_every(self, pause_s: float, for_s: float) -> None:
        """Reset every connection again and again."""
        for _ in range(round(for_s / pause_s)):
            await asyncio.sleep(pause_s)
            self.cut()

    async def __aenter__(self) -> Self:
        self._flowing.set()
        self._server = await asyncio.start_server(self._accepted, HOST, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        ends = {writer}
        self._writers.add(writer)
        try:
            there, onward = await asyncio.open_connection(HOST, self.to_port)
            ends.add(onward)
            self._writers.add(onward)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pass_on(reader, onward))
                both.create_task(self._pass_on(there, writer))
        except* (OSError, asyncio.CancelledError):
            pass
        finally:
            self._writers -= ends
            for end in ends:
                end.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(self.slice_bytes or 1 << 16):
            await self._delay(len(data))
            writer.write(data)
            await writer.drain()
        with contextlib.suppress(OSError):
            writer.write_eof()

    async def _delay(self, size: int) -> None:
        if self.latency_s:
            await asyncio.sleep(self.latency_s)
        if self.bytes_per_s:
            await asyncio.sleep(size / self.bytes_per_s)
        await self._flowing.wait()
