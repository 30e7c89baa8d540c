"""Keeps one child alive: starts it, waits until it is ready, starts it again when it dies, stops it."""

import asyncio
import signal
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from stack import logs, processes
from stack.child import Child
from stack.errors import Refused
from stack.folder import Folder
from stack.state import ChildState, Condition, Process

PROBE_SECONDS: Final = 0.1
FAILURES: Final = 5
WITHIN_SECONDS: Final = 60
LONGEST_PAUSE_SECONDS: Final = 10


class Keeper:
    """One child and its fate. `changed` is called whenever `state` says something new; `lost` is awaited when the
    child has died, before it starts again, and `back` when it is ready again."""

    def __init__(
        self,
        child: Child,
        folder: Folder,
        environment: Mapping[str, str],
        *,
        changed: Callable[[], None],
        lost: Callable[[Child], Awaitable[None]],
        back: Callable[[Child], Awaitable[None]],
    ) -> None:
        self.child = child
        self.state = ChildState(address=child.address)
        self.ready = asyncio.Event()
        self._folder = folder
        self._log = folder.log(child.name)
        self._log_before = logs.size(self._log)
        whole = {**environment, **child.environment}
        self._environment = {name: value for name, value in whole.items() if name not in child.withheld}
        self._changed, self._lost, self._back = changed, lost, back
        self._process: asyncio.subprocess.Process | None = None
        self._wanted = asyncio.Event()
        self._wanted.set()
        self._idle = asyncio.Event()
        self._failures: deque[float] = deque(maxlen=FAILURES)

    async def keep(self) -> None:
        """Run the child for ever. Raises Refused when it keeps failing, or is not ready in time."""
        while True:
            self._idle.set()
            await self._wanted.wait()
            self._idle.clear()
            code = await self._one_life()
            if not self._wanted.is_set():
                self._say("stopped")
                continue
            self.state.restarts += 1
            self._say("restarting")
            self._count_failure(f"exited with {code}")
            await self._lost(self.child)
            await asyncio.sleep(min(0.25 * 2 ** len(self._failures), LONGEST_PAUSE_SECONDS))

    async def _one_life(self) -> int:
        """Start, see it ready, and wait for its end; answers the exit code."""
        started = time.monotonic()
        process = await self._start()
        ended = asyncio.create_task(process.wait())
        readying = asyncio.create_task(self._until_ready(started))
        try:
            await asyncio.wait({ended, readying}, return_when=asyncio.FIRST_COMPLETED)
            if readying.done():
                readying.result()
            return await ended
        finally:
            readying.cancel()
            ended.cancel()
            self.ready.clear()
            processes.signal_group(process.pid, signal.SIGKILL)
            await process.wait()

    async def _start(self) -> asyncio.subprocess.Process:
        if self.child.before_start:
            self.child.before_start()
        self._process = process = await processes.spawn(
            self.child.command,
            environment=self._environment,
            log=self._log,
            folder=self._folder.root,
            death_signal=self.child.stop_signal,
            privileges=self.child.privileges,
        )
        self.state.process = Process(process.pid, processes.born(process.pid) or 0)
        self.state.started_at = datetime.now(UTC)
        self.state.ready_after_s = None
        self._say("starting")
        return process

    async def _until_ready(self, started: float) -> None:
        """Ask until it is ready. Raises Refused after `ready_seconds`."""
        last: Exception | None = None
        while time.monotonic() < started + self.child.ready_seconds:
            try:
                await self.child.ready()
                await self.child.once_ready()
                break
            except Exception as error:  # whatever it is, it is not ready
                last = error
                await asyncio.sleep(PROBE_SECONDS)
        else:
            raise Refused(self._story(f"was not ready within {self.child.ready_seconds:.0f} s ({last})"))
        self.state.ready_after_s = round(time.monotonic() - started, 2)
        self.ready.set()
        self._say("ready")
        await self._back(self.child)

    async def stop(self) -> None:
        """Stop it, and leave it stopped until `resume`: its own signal first, then by force."""
        self._wanted.clear()
        process = self._process
        if process is not None and process.returncode is None:
            process.send_signal(self.child.stop_signal)
            try:
                await asyncio.wait_for(process.wait(), self.child.stop_seconds)
            except TimeoutError:
                processes.signal_group(process.pid, signal.SIGKILL)
                await process.wait()
        self._say("stopped")

    async def pause(self) -> None:
        """Stop it, and wait until nothing of it is left; `resume` starts it again."""
        await self.stop()
        await self._idle.wait()

    def resume(self) -> None:
        """Start it again after `pause`."""
        self._wanted.set()

    def _say(self, condition: Condition) -> None:
        self.state.condition = condition
        self._changed()

    def _count_failure(self, what: str) -> None:
        now = time.monotonic()
        self._failures.append(now)
        if len(self._failures) == FAILURES and now - self._failures[0] < WITHIN_SECONDS:
            raise Refused(self._story(f"failed {FAILURES} times within a minute; at last it {what}"))

    def _story(self, what: str) -> str:
        last = "\n".join(f"  {line}" for line in logs.tail(self._log, 8, since=self._log_before))
        return f"{self.child.name} {what}. Its last words, from {self._log}:\n{last}"
