"""The embedded engine. A handle is cheap (a quarter of a millisecond), has its own settings and runs beside the others,
so every request gets a fresh one; only a session keeps its handle, with its temporary tables and SETs."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

import chdb
from chdb.state.sqlitelike import Connection

from stack.clickhouse_http.errors import SESSION_IS_LOCKED, from_engine, refusal
from stack.clickhouse_http.spool import Spools

HANDLES: Final = 16
"""Statements that run at once; the next one waits."""
SESSION_SECONDS: Final = 60

P = ParamSpec("P")
R = TypeVar("R")

_CONFIG = """<clickhouse>
  <timezone>UTC</timezone>
  <max_server_memory_usage>{memory_bytes}</max_server_memory_usage>
  <mark_cache_size>67108864</mark_cache_size>
  <index_mark_cache_size>16777216</index_mark_cache_size>
  <memory_worker_purge_dirty_pages_threshold_ratio>0</memory_worker_purge_dirty_pages_threshold_ratio>
  <background_pool_size>2</background_pool_size>
  <background_schedule_pool_size>8</background_schedule_pool_size>
</clickhouse>
"""


@dataclass
class Session:
    """A handle that outlives its requests, one request at a time."""

    handle: Connection
    used_at: float
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Engine:
    """One chDB folder, open while this object lives: `start` opens it, `stop` closes it."""

    def __init__(self, folder: Path, memory_mb: int) -> None:
        self._folder = folder
        self._memory_bytes = memory_mb << 20
        self._threads = ThreadPoolExecutor(HANDLES + 4, "chdb")
        self._free = asyncio.Semaphore(HANDLES)
        self._sessions: dict[tuple[str, bool], Session] = {}
        self.version = ""
        self.spools = Spools()

    async def start(self) -> None:
        """Open the folder. Raises ClickHouseError 76 where another process has it open."""
        self._folder.mkdir(parents=True, exist_ok=True)
        config = self._folder.with_name(f"{self._folder.name}.xml")
        config.write_text(_CONFIG.format(memory_bytes=self._memory_bytes))
        self._url = f"{self._folder}?config-file={config}"
        self._kept = await self.run(chdb.connect, self._url)
        answer = await self.run(self._kept.query, "SELECT version()", "TabSeparated")
        self.version = bytes(answer.bytes()).decode().strip()

    async def stop(self) -> None:
        """Close every handle, and with the last one the folder."""
        for session in self._sessions.values():
            await self.run(session.handle.close)
        await self.run(self._kept.close)
        self._threads.shutdown()

    async def run(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """`call` in a thread; what chDB raises comes out as ClickHouseError."""
        running = asyncio.get_running_loop().run_in_executor(self._threads, lambda: call(*args, **kwargs))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            await asyncio.wait([running])  # the handle is busy until then
            raise
        except (chdb.ChdbError, RuntimeError) as error:
            raise from_engine(error) from error

    @asynccontextmanager
    async def handle(
        self, database: str, settings: Mapping[str, str], session: str | None, *, readonly: bool
    ) -> AsyncIterator[Connection]:
        """A handle with this database and these settings, for one statement.

        Raises ClickHouseError 373 while another request of the session runs, 115 for an unknown setting, 81 for an
        unknown database.
        """
        async with self._free:
            if session:
                async with self._session(session, readonly) as kept:
                    await self.run(_configure, kept, database, settings)
                    yield kept
                    await self.run(_reset, kept, settings)
                return
            fresh = await self.run(self._open, readonly)
            try:
                await self.run(_configure, fresh, database, settings)
                yield fresh
            finally:
                await asyncio.shield(self.run(fresh.close))

    def _open(self, readonly: bool) -> Connection:
        handle = chdb.connect(self._url)
        if readonly:
            handle.query("SET readonly = 2")
        return handle

    @asynccontextmanager
    async def _session(self, name: str, readonly: bool) -> AsyncIterator[Connection]:
        await self._forget_old_sessions()
        key = (name, readonly)
        if key not in self._sessions:
            self._sessions[key] = Session(await self.run(self._open, readonly), time.monotonic())
        session = self._sessions[key]
        if session.lock.locked():
            detail = f"Session {name} is locked by a concurrent client."
            raise refusal(SESSION_IS_LOCKED, "SESSION_IS_LOCKED", detail)
        async with session.lock:
            yield session.handle
            session.used_at = time.monotonic()

    async def _forget_old_sessions(self) -> None:
        limit = time.monotonic() - SESSION_SECONDS
        for key, session in list(self._sessions.items()):
            if session.used_at < limit and not session.lock.locked():
                del self._sessions[key]
                await self.run(session.handle.close)


def literal(value: str) -> str:
    """A string as ClickHouse SQL."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _configure(handle: Connection, database: str, settings: Mapping[str, str]) -> None:
    if settings:
        handle.query("SET " + ", ".join(f"{name} = {literal(value)}" for name, value in settings.items()))
    if database:
        handle.query(f"USE `{database.replace('`', '``')}`")


def _reset(handle: Connection, settings: Mapping[str, str]) -> None:
    if settings:
        handle.query("SET " + ", ".join(f"{name} = DEFAULT" for name in settings))
