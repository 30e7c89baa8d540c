"""A whole Tallywire to break: servers under one supervisor, services under another, a bad link between each two.

A server is reached by the services through a `Link` only; the readers reach the collector through one, too. Kafka tells
its clients an address, so that one is the link's, and the broker listens behind it.
"""

import asyncio
import contextlib
import dataclasses
import os
import secrets
import signal
import socket
import sys
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
import psutil

from stack import environment, ports, processes, services, state
from stack.child import Child
from stack.folder import Folder, folder_at
from stack.keeper import Keeper
from stack.logs import tail
from stack.ports import HOST
from stack.server import Place
from stack.servers import KAFKAS
from tests.faults.load import Organization
from tests.faults.proxy import Link

SERVERS: Final = {"postgres": "postgres", "redis": "valkey", "rabbitmq": "rabbitmq", "clickhouse": "clickhouse"}
"""Links to servers, and the server's name as a child; each is TALLYWIRE_<LINK>_URL. Kafka's link is beside them."""
SERVICES: Final = tuple(service.name for service in services.SERVICES)
READY_S: Final = 180
DEATHS_A_MINUTE: Final = 3
"""The supervisor takes a child that dies 5 times in a minute for hopeless, which here it is not."""
PIECES: Final = 24
TOKEN_S: Final = 300


@dataclass(frozen=True)
class Beside:
    """A process that no supervisor keeps; a collector is at `address`."""

    process: asyncio.subprocess.Process
    address: str


class Died(Exception):
    """A supervisor gave up, or something was not ready in time."""


@dataclass
class Machine:
    """Use as an async context."""

    folder: Path
    kafka: str
    random: Random
    links: dict[str, Link] = field(default_factory=dict)
    organizations: list[Organization] = field(default_factory=list)
    _deaths: defaultdict[str, deque[float]] = field(
        default_factory=lambda: defaultdict(lambda: deque(maxlen=DEATHS_A_MINUTE))
    )
    _tokens: dict[str, tuple[str, float]] = field(default_factory=dict)
    _passwords: dict[str, tuple[str, str]] = field(default_factory=dict)

    async def __aenter__(self) -> "Machine":
        self._doors = contextlib.AsyncExitStack()
        try:
            await self._start()
        except BaseException:
            await self._doors.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._doors.aclose()

    async def _start(self) -> None:
        where = await self._start_kafka()
        given = {**environment.without_ours(), "TALLYWIRE_KAFKA_URL": where}
        await self._supervise("servers", given, "--servers-only")
        self.direct = self._state("servers").environment
        for name in SERVERS:
            at = urlsplit(self.direct[f"TALLYWIRE_{name.upper()}_URL"])
            assert at.port is not None
            self.links[name] = await self._doors.enter_async_context(Link(at.port))
            through = at._replace(netloc=f"{at.netloc.rpartition('@')[0]}@{HOST}:{self.links[name].port}")
            given[f"TALLYWIRE_{name.upper()}_URL"] = through.geturl()
        await self._supervise("services", given)
        self.variables = self._state("services").environment
        for name in ("ingestion", "api"):
            to = self._state("services").ports[name]
            self.links[name] = await self._doors.enter_async_context(Link(to))
        for name in ("hot", "warm", "small"):
            self.organizations.append(await self._organization(name))

    # -- what is there

    @property
    def doors(self) -> list[str]:
        """Where readers send."""
        return [f"http://{HOST}:{self.links['ingestion'].port}"]

    def child(self, name: str) -> state.ChildState:
        """What its supervisor says of a server or service."""
        return self._state("services" if name in SERVICES else "servers").children[name]

    def pid(self, name: str) -> int:
        process = self._broker.state.process if name == "kafka" else self.child(name).process
        assert process is not None
        return process.pid

    def logs(self) -> list[Path]:
        """Every log, for whoever must find out."""
        return sorted(self.folder.glob("*/log/*.log"))

    @contextlib.asynccontextmanager
    async def api(self, organization: Organization) -> AsyncIterator[httpx2.AsyncClient]:
        """The API, straight, as this organization's admin; a token is good for ten minutes."""
        async with httpx2.AsyncClient(base_url=self.variables["TALLYWIRE_API_URL"] + "/api/v1", timeout=20) as client:
            token, since = self._tokens.get(organization.id, ("", 0.0))
            if since < time.monotonic() - TOKEN_S:
                token = await _token(client, *self._passwords[organization.id])
                self._tokens[organization.id] = token, time.monotonic()
            client.headers["Authorization"] = f"Bearer {token}"
            yield client

    # -- what can be done to it

    async def kill(self, name: str, number: signal.Signals = signal.SIGKILL, prepare: Callable[[], None] = int) -> None:
        """Signal a server or service (after `prepare`), and return once it is there again."""
        await self._spare(name)
        before = self.pid(name)
        prepare()
        with contextlib.suppress(ProcessLookupError):
            os.kill(before, number)
        await self.until(f"{name} is there again", lambda: self._is_back(name, before))

    async def restart_empty(self, name: str, prepare: Callable[[], None]) -> None:
        """kill -9, with its files changed while it could not."""
        os.kill(self.pid(name), signal.SIGSTOP)
        await self.kill(name, prepare=prepare)

    async def freeze(self, name: str, seconds: float) -> None:
        """SIGSTOP, and SIGCONT after some seconds."""
        async with self.frozen(name):
            await asyncio.sleep(seconds)

    @contextlib.asynccontextmanager
    async def frozen(self, name: str) -> AsyncIterator[None]:
        """SIGSTOP, and SIGCONT at the end; where it has just ended by itself, that which comes after it."""
        await self.until(f"{name} is there", lambda: self._is_back(name, before=0))
        pids = processes_of(self.pid(name))
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    @contextlib.asynccontextmanager
    async def beside(self, name: str, code: Path | None = None, **more: str) -> AsyncIterator[Beside]:
        """One more `streams` or `ingestion` beside the supervised one, ready; `more` goes into its environment."""
        worker = f"{name}-{secrets.token_hex(3)}"
        port = ports.free(self._doors.enter_context)
        marker = Path(self.variables["TALLYWIRE_STATE_DIR"]) / f"{worker}.ready"
        mine = {"WORKER_NAME": worker, "HOST": HOST, "PORT": str(port), "METRICS_PORT": "0"}
        known = {**environment.without_ours(), **self.variables, "PYTHONUNBUFFERED": "1", **more}
        known |= {f"TALLYWIRE_{field}": value for field, value in mine.items()}
        known |= {"PYTHONPATH": str(code)} if code else {}
        log = folder_at(self.folder / "services").log(worker)
        process = await processes.spawn(services.command(name), environment=known, log=log, folder=self.folder)
        try:
            await self.until(
                f"{worker} is ready", lambda: marker.exists() if name == "streams" else _listens(port), process
            )
            yield Beside(process, f"http://{HOST}:{port}")
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(signal.SIGCONT)
                    process.terminate()
                try:
                    await asyncio.wait_for(process.wait(), 20)
                except TimeoutError:
                    processes.signal_group(process.pid, signal.SIGKILL)
                    await process.wait()
            marker.unlink(missing_ok=True)

    async def until(
        self, what: str, holds: Callable[[], bool], process: asyncio.subprocess.Process | None = None
    ) -> None:
        """Wait until something holds. Raises Died where it does not within READY_S, or a supervisor gave up."""
        end = time.monotonic() + READY_S
        while not holds():
            for name in ("servers", "services"):
                if (known := self._known(name)) and known.phase == "failed":
                    raise Died(f"waiting until {what}, the supervisor of the {name} gave up: {known.message}")
            if time.monotonic() > end or (process and process.returncode is not None):
                raise Died(f"not within {READY_S} s: {what}")
            await asyncio.sleep(0.05)

    # -- how it starts

    async def _spare(self, name: str) -> None:
        deaths = self._deaths[name]
        if len(deaths) == deaths.maxlen:
            await asyncio.sleep(max(0, deaths[0] + 60 - time.monotonic()))
        deaths.append(time.monotonic())

    def _is_back(self, name: str, before: int) -> bool:
        known = self._broker.state if name == "kafka" else self.child(name)
        return known.condition == "ready" and known.process is not None and known.process.pid != before

    async def _start_kafka(self) -> str:
        """The broker behind its link; answers the link's address."""
        folder = Folder(self.folder / "broker")
        folder.make()
        server = KAFKAS[self.kafka]
        chosen, _ = ports.choose([*server.ports, "behind"], {}, self._doors.enter_context, any_free=True)
        place = Place(folder, chosen)
        link = Link(chosen["behind"], port=chosen["kafka"])
        self.links["kafka"] = await self._doors.enter_async_context(link)
        await asyncio.to_thread(server.install, place, print)
        (child,) = await asyncio.to_thread(server.prepare, place)
        self._broker = Keeper(
            _behind(child, folder, chosen),
            folder,
            environment.without_ours(),
            changed=lambda: None,
            lost=_nothing,
            back=_nothing,
        )
        keeping = asyncio.create_task(self._broker.keep())

        async def end() -> None:
            await self._broker.stop()
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)

        self._doors.push_async_callback(end)
        await asyncio.wait_for(self._broker.ready.wait(), READY_S)
        return server.url(place)

    async def _supervise(self, name: str, given: dict[str, str], *options: str) -> None:
        """`tallywire up` until it is ready."""
        path = self.folder / name
        path.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "stack", "up", "--foreground", "--any-ports", "--kafka", self.kafka]
        log = self.folder / f"{name}.log"
        process = await processes.spawn(
            [*command, *options, "--data", str(path)], environment=given, log=log, folder=Path(__file__).parents[2]
        )

        async def end() -> None:
            if process.returncode is None:
                process.terminate()
                await asyncio.wait_for(process.wait(), 60)

        self._doors.push_async_callback(end)
        try:
            await self.until(f"{name} are ready", lambda: self._is_ready(name), process)
        except Died as died:
            raise Died(f"{died}\n" + "\n".join(tail(log, 30))) from died

    def _is_ready(self, name: str) -> bool:
        known = self._known(name)
        return known is not None and known.phase == "ready"

    def _known(self, name: str) -> state.State | None:
        return state.read(folder_at(self.folder / name))

    def _state(self, name: str) -> state.State:
        known = self._known(name)
        assert known is not None
        return known

    async def _organization(self, name: str) -> Organization:
        """An organization of its own, with a write key and pieces."""
        email, password = f"admin@{name}.example.com", secrets.token_urlsafe(18)
        words = ("bootstrap", "--organization", name, "--slug", name, "--email", email)
        known = {**environment.without_ours(), **self.variables, "TALLYWIRE_ADMIN_PASSWORD": password}
        log = self.folder / f"{name}.log"
        made = await processes.spawn(services.command("api", *words), environment=known, log=log, folder=self.folder)
        assert await made.wait() == 0, tail(log, 10)
        async with httpx2.AsyncClient(base_url=self.variables["TALLYWIRE_API_URL"] + "/api/v1", timeout=20) as api:
            api.headers["Authorization"] = f"Bearer {await _token(api, email, password)}"
            key = (await api.post("/write-keys", json={"name": name, "rights": ["events"]})).raise_for_status().json()
            pieces = [{"source_ref": f"{name}-{n}", "type": "custom", "title": f"{name} {n}"} for n in range(PIECES)]
            made_pieces = (await api.post("/content/bulk", json={"pieces": pieces})).raise_for_status().json()
            me = (await api.get("/me")).raise_for_status().json()
        organization = Organization(
            str(me["organization_id"]), str(key["key"]), tuple(str(piece["id"]) for piece in _items(made_pieces))
        )
        self._passwords[organization.id] = email, password
        return organization


def _items(answer: Any) -> list[dict[str, Any]]:
    return list(answer if isinstance(answer, list) else answer["pieces"])


def _behind(child: Child, folder: Folder, chosen: dict[str, int]) -> Child:
    """The broker as it was prepared, but listening behind the link whose address it tells."""
    at, behind = f"{HOST}:{chosen['kafka']}", f"{HOST}:{chosen['behind']}"
    config = folder.root / "kafka" / "server.properties"
    if config.exists():
        config.write_text(
            config.read_text().replace(f"\nlisteners=PLAINTEXT://{at}", f"\nlisteners=PLAINTEXT://{behind}")
        )
        return child
    words = list(child.command)
    listener = words.index("--listener-url") + 1
    words[listener] = words[listener].replace(at, behind)
    return dataclasses.replace(child, command=tuple(words))


async def _nothing(_: Child) -> None:
    return


async def _token(client: httpx2.AsyncClient, email: str, password: str) -> str:
    answer = await client.post("/auth/token", data={"username": email, "password": password})
    return str(answer.raise_for_status().json()["access_token"])


def processes_of(pid: int) -> list[int]:
    """A process and all that it started."""
    return [pid, *(each.pid for each in psutil.Process(pid).children(recursive=True))]


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=0.2):
        return True
    return False
