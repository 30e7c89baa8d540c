"""Starts everything in order, keeps it alive, stops it in order."""

import asyncio
import contextlib
import signal
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterable
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from stack import addresses, environment, first_run, logs, ports, processes, services, state, watch
from stack.child import Child, Stage
from stack.errors import Refused
from stack.folder import Folder
from stack.keeper import Keeper
from stack.options import Options
from stack.server import Place, Server
from stack.servers import KAFKAS, servers
from stack.state import ChildState, Phase, State

EXTERNAL_SECONDS: Final = 15
SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Supervisor:
    """One system in one data folder. `changed` is called with the state whenever that says something new."""

    def __init__(self, folder: Folder, options: Options, changed: Callable[[State], None]) -> None:
        self._folder = folder
        self._options = options
        self._changed = changed
        self._keepers: dict[str, Keeper] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._state = State()
        self._given: dict[str, str] = {}
        self._done: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._ports = contextlib.ExitStack()

    async def run(self) -> None:
        """Until SIGTERM or SIGINT. Raises Refused when something cannot start or keeps failing; either way nothing
        is left running."""
        loop = asyncio.get_running_loop()
        self._over: asyncio.Future[None] = loop.create_future()
        with state.hold(self._folder), self._ports:
            for number in SIGNALS:
                loop.add_signal_handler(number, self._end, None)
            starting = self._in_background(self._start())
            try:
                await self._over
            except Refused as error:
                self._state.message = str(error)
                raise
            finally:
                starting.cancel()
                await asyncio.wait([starting])
                await self._stop("failed" if self._state.message else "stopped")

    def _end(self, error: BaseException | None) -> None:
        if self._over.done():
            return
        if error is None:
            self._over.set_result(None)
        else:
            self._over.set_exception(error)

    def _in_background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run it; if it fails, that is the end of everything."""

        def ended(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and (error := task.exception()):
                self._end(error)

        task = asyncio.create_task(work)
        task.add_done_callback(ended)
        self._tasks.append(task)
        return task

    async def _start(self) -> None:
        place, kafka = self._settle()
        started = servers(kafka)
        await together(self._install(place, server) for server in started)
        self._state.kafka = kafka
        works = [self._start_server(place, server) for server in started]
        if not self._options.servers_only:
            works += [self._migrate(migration) for migration in services.MIGRATIONS]
            works += [self._start_service(place, service) for service in services.SERVICES]
        await together(works)
        if not self._options.servers_only:
            await first_run.prepare(place, self._state.environment, self._run_once)
        self._phase("ready")
        await watch.watch(self._folder, self._state, self._note)

    def _settle(self) -> tuple[Place, str]:
        """Clear what an earlier supervisor left, choose ports and the kind of Kafka, and write down what will be."""
        before = state.read(self._folder) or State()
        if before.boot == processes.boot_id():
            left = [child.process for child in before.children.values() if child.process]
            if count := processes.end_leftovers(left):
                self._note(f"ended {count} of a dead supervisor's children")
        self._given = addresses.given(before, environment.own())
        kafka = self._options.kafka or before.kafka
        if kafka not in KAFKAS:
            raise Refused(f"KAFKA={kafka} is not known; it may be {' or '.join(KAFKAS)}")
        names = [port for server in servers(kafka) if not self._external(server) for port in server.ports]
        names += services.PORTS
        chosen, notes = ports.choose(names, before.ports, self._ports.enter_context, any_free=self._options.any_ports)
        place = Place(self._folder, {**before.ports, **chosen})
        self._state.supervisor = state.this_process()
        self._state.boot = processes.boot_id()
        self._state.started_at = datetime.now(UTC)
        self._state.kafka = before.kafka
        self._state.ports = dict(place.ports)
        self._state.given = sorted(self._given)
        self._state.environment = addresses.assemble(place, kafka, self._given)
        self._state.notes += notes
        self._report()
        return place, kafka

    def _external(self, server: Server) -> str | None:
        return addresses.external(server, self._given)

    async def _install(self, place: Place, server: Server) -> None:
        """Before anything starts: what must be fetched may take minutes."""
        if not self._external(server):
            await asyncio.to_thread(server.install, place, self._note_from_thread())

    async def _start_server(self, place: Place, server: Server) -> None:
        if address := self._external(server):
            await self._find_external(server, address)
        else:
            for child in await asyncio.to_thread(server.prepare, place):
                await self._start_child(child)
        self._done[server.name].set()

    async def _migrate(self, migration: services.Migration) -> None:
        await self._wait_for(migration.after)
        await self._run_once(migration.name, *migration.module)
        self._done[migration.name].set()

    async def _start_service(self, place: Place, service: services.Service) -> None:
        await self._wait_for(service.after)
        await self._start_child(services.child(service, place, environment.own() | self._state.environment))

    async def _wait_for(self, names: tuple[str, ...]) -> None:
        for name in names:
            await self._done[name].wait()

    async def _find_external(self, server: Server, address: str) -> None:
        at = urlsplit(address)
        where = at.netloc.rpartition("@")[2]
        found = self._state.children[server.name] = ChildState(address=where)
        try:
            await asyncio.wait_for(server.ready(address), EXTERNAL_SECONDS)
        except Exception as error:
            name = environment.variable(server.setting)
            raise Refused(f"{name} is set, but nothing usable answers at {where}: {error or type(error)}") from error
        if server.setting == "kafka_url":
            from stack.servers.kafka import make_topics

            await make_topics(address)
        found.condition = "external"
        self._report()

    async def _start_child(self, child: Child) -> None:
        """Start it and wait until it is ready."""
        keeper = Keeper(
            child,
            self._folder,
            environment.without_ours(),
            changed=self._report,
            lost=self._stop_those_who_need,
            back=self._start_those_who_need,
        )
        self._keepers[child.name] = keeper
        self._state.children[child.name] = keeper.state
        self._in_background(keeper.keep())
        await keeper.ready.wait()

    async def _stop_those_who_need(self, child: Child) -> None:
        needing = [self._keepers[name] for name in child.takes_down if name in self._keepers]
        if needing:
            others = ", ".join(keeper.child.name for keeper in needing)
            self._note(f"{child.name} died, and with it what was only in its memory; restarting {others}, too")
            await asyncio.gather(*(keeper.pause() for keeper in needing))

    async def _start_those_who_need(self, child: Child) -> None:
        for name in child.takes_down:
            if name in self._keepers:
                self._keepers[name].resume()

    async def _run_once(self, name: str, *module: str, **more: str) -> None:
        """Run a module of ours to its end. Raises Refused with its last words where it fails."""
        log = self._folder.log(name)
        before = logs.size(log)
        known = {**environment.own(), **self._state.environment, **more}
        process = await processes.spawn(services.command(*module), environment=known, log=log, folder=self._folder.root)
        if await process.wait():
            last = "\n".join(f"  {line}" for line in logs.tail(log, 12, since=before))
            raise Refused(f"`python -m {' '.join(module)}` failed. Its last words, from {log}:\n{last}")

    async def _stop(self, phase: Phase) -> None:
        self._phase("stopping")
        for stage in Stage:
            await asyncio.gather(*(k.stop() for k in self._keepers.values() if k.child.stage == stage))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._phase(phase)

    def _phase(self, phase: Phase) -> None:
        self._state.phase = phase
        self._report()

    def _note(self, note: str) -> None:
        if note not in self._state.notes:
            self._state.notes.append(note)
            self._report()

    def _note_from_thread(self) -> Callable[[str], None]:
        loop = asyncio.get_running_loop()

        def note(text: str) -> None:
            loop.call_soon_threadsafe(self._note, text)

        return note

    def _report(self) -> None:
        state.write(self._folder, self._state)
        self._changed(self._state)


async def together(works: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Do it all at once; the first that fails stops the others and is raised alone."""
    try:
        async with asyncio.TaskGroup() as group:
            for work in works:
                group.create_task(work)
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None


def supervise(folder: Folder, options: Options, changed: Callable[[State], None]) -> None:
    """Run a supervisor in this process until it is told to stop. Raises Refused."""
    folder.make()
    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(Supervisor(folder, options, changed).run())
