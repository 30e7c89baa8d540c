"""A corner for the collector: a migrated database, organizations with keys and content, a collector, the log."""

import asyncio
import hashlib
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx2
import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from pydantic import SecretStr

import wire.kafka
from tests.conftest import free_port
from tests.databases import migrated_postgres
from wire import envelope, topics
from wire.events import KINDS
from wire.ids import new_id
from wire.settings import Settings


@pytest.fixture(scope="session")
def migrated(servers: Any) -> Iterator[Settings]:
    with migrated_postgres(servers.postgres_url) as settings:
        yield settings


@pytest.fixture(scope="session")
async def corner(servers: Any, migrated: Settings) -> Settings:
    """A database of the tests' own, as the API's migrations make it, and topics."""
    settings = migrated.model_copy(update={"kafka_url": SecretStr(servers.kafka_url)})
    await wire.kafka.ensure_topics(settings.kafka_url)
    return settings


@pytest.fixture(scope="session")
async def owner(corner: Settings) -> AsyncIterator[asyncpg.Connection]:
    """The database with an administrator's rights."""
    connection = await asyncpg.connect(corner.postgres_url.get_secret_value())
    yield connection
    await connection.close()


@dataclass(frozen=True)
class Organization:
    """An organization with a user; `key` may write events, `history_key` the past as well."""

    id: UUID
    creator_id: UUID
    key: str
    history_key: str
    owner: asyncpg.Connection

    async def content(self, count: int = 1) -> list[str]:
        """New pieces of content."""
        ids = [uuid4() for _ in range(count)]
        await self.owner.executemany(
            "INSERT INTO content (id, organization_id, creator_id, type, title) VALUES ($1, $2, $3, 'custom', 'Piece')",
            [(id_, self.id, self.creator_id) for id_ in ids],
        )
        return [str(id_) for id_ in ids]

    def event(self, content_id: str, **fields: Any) -> dict[str, Any]:
        """A good event, fields replaced."""
        return {"id": str(new_id()), "content_id": content_id, "kind": "view", "platform": "web", **fields}

    async def new_key(self, *rights: str) -> str:
        key = f"twk_{secrets.token_urlsafe(32)}"
        await self.owner.execute(
            "INSERT INTO write_keys (organization_id, name, key_hash, rights) VALUES ($1, 'a key', $2, $3)",
            self.id,
            hashlib.sha256(key.encode()).digest(),
            list(rights),
        )
        return key


@pytest.fixture
async def new_organization(owner: asyncpg.Connection) -> Callable[[], Awaitable[Organization]]:
    async def make() -> Organization:
        id_ = await owner.fetchval(
            "INSERT INTO organizations (name, slug) VALUES ('Readers', $1) RETURNING id", f"o-{secrets.token_hex(8)}"
        )
        creator_id = await owner.fetchval(
            "INSERT INTO users (organization_id, email, role, password_hash)"
            " VALUES ($1, $2, 'editor', '') RETURNING id",
            id_,
            f"{secrets.token_hex(8)}@example.com",
        )
        made = Organization(id_, creator_id, "", "", owner)
        key, history_key = await made.new_key("events"), await made.new_key("events", "history")
        return Organization(id_, creator_id, key, history_key, owner)

    return make


@pytest.fixture
async def organization(new_organization: Callable[[], Awaitable[Organization]]) -> Organization:
    return await new_organization()


@dataclass
class Collecting:
    """A collector that runs as a process of its own."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path
    client: httpx2.AsyncClient = field(default_factory=lambda: httpx2.AsyncClient(timeout=60))

    async def post(self, path: str, body: Any, key: str | None, **headers: str) -> httpx2.Response:
        """POST; anything but bytes is sent as JSON."""
        content = body if isinstance(body, bytes) else msgspec.json.encode(body)
        sent = {"content-type": "application/json"} | {name.replace("_", "-"): text for name, text in headers.items()}
        if key is not None:
            sent["authorization"] = f"Bearer {key}"
        return await self.client.post(f"{self.url}{path}", content=content, headers=sent)

    async def events(self, body: Any, key: str | None, **headers: str) -> httpx2.Response:
        return await self.post("/v1/events", body, key, **headers)

    async def until_up(self, path: str = "/readyz") -> None:
        for _ in range(800):
            if self.process.poll() is not None:
                raise RuntimeError(self.log.read_text())
            try:
                if (await self.client.get(f"{self.url}{path}")).status_code == 200:
                    return
            except httpx2.TransportError:
                pass
            await asyncio.sleep(0.05)
        raise TimeoutError(self.log.read_text())


@contextmanager
def collector_process(settings: Settings, folder: Path, port: int, **more: str) -> Iterator[Collecting]:
    """`python -m ingestion` over these servers, killed at the end whatever happened."""
    environment = {
        **os.environ,
        "TALLYWIRE_POSTGRES_RELAY_URL": settings.postgres_relay_url.get_secret_value(),
        "TALLYWIRE_KAFKA_URL": settings.kafka_url.get_secret_value(),
        "TALLYWIRE_PORT": str(port),
        **more,
    }
    log = folder / f"collector-{port}.log"
    with log.open("wb") as out:
        process = subprocess.Popen([sys.executable, "-m", "ingestion"], env=environment, stderr=out)
        try:
            yield Collecting(f"http://127.0.0.1:{port}", process, log)
        finally:
            process.kill()
            process.wait()


@asynccontextmanager
async def _running(
    settings: Settings, folder: Path, *, waiting: bool = True, port: int = 0, **more: str
) -> AsyncIterator[Collecting]:
    with collector_process(settings, folder, port or free_port(), **more) as made:
        await made.until_up("/readyz" if waiting else "/healthz")
        yield made
        await made.client.aclose()


@pytest.fixture
def running() -> Callable[..., AbstractAsyncContextManager[Collecting]]:
    """Starts another collector: settings, a folder for its log, and more of its environment."""
    return _running


@pytest.fixture(scope="session")
async def collecting(corner: Settings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Collecting]:
    """One collector that the tests share; it must end cleanly."""
    async with _running(corner, tmp_path_factory.mktemp("collector")) as made:
        yield made
        made.process.send_signal(signal.SIGTERM)
        assert made.process.wait(timeout=30) == 0, made.log.read_text()


@dataclass
class Log:
    """What Kafka holds, read from where it ended when this was made."""

    settings: Settings
    starts: dict[TopicPartition, int] = field(default_factory=dict)

    @asynccontextmanager
    async def consumer(self) -> AsyncIterator[AIOKafkaConsumer]:
        brokers = wire.kafka.bootstrap(self.settings.kafka_url)
        consumer = AIOKafkaConsumer(bootstrap_servers=brokers, auto_offset_reset="earliest")
        await consumer.start()
        try:
            yield consumer
        finally:
            await consumer.stop()

    async def begin_here(self) -> None:
        async with self.consumer() as consumer:
            partitions = [TopicPartition(topic.name, n) for topic in topics.TOPICS for n in range(topic.partitions)]
            self.starts = await consumer.end_offsets(partitions)

    async def messages(self, topic: topics.Topic, count: int, mine: Callable[[bytes], int]) -> list[ConsumerRecord]:
        """Messages until `mine` has found `count` in them, and for half a second more so that one too many
        would be seen; after 15 s what there is."""
        async with self.consumer() as consumer:
            partitions = [TopicPartition(topic.name, n) for n in range(topic.partitions)]
            consumer.assign(partitions)
            for at in partitions:
                consumer.seek(at, self.starts.get(at, 0))
            read: list[ConsumerRecord] = []
            give_up_at = time.monotonic() + 15
            while time.monotonic() < give_up_at:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    read += records
                    count -= sum(mine(record.value) for record in records)
                if count <= 0:
                    give_up_at = min(give_up_at, time.monotonic() + 0.5)
            return read

    async def events(self, organization_id: UUID, count: int) -> list[dict[str, Any]]:
        """An organization's events in the log's order, with their partition."""

        def rows(value: bytes) -> list[dict[str, Any]]:
            return [
                row for row in envelope.decode(value).to_pylist() if row["organization_id"] == organization_id.bytes
            ]

        return [
            {
                **row,
                "partition": message.partition,
                "id": str(UUID(bytes=row["id"])),
                "content_id": str(UUID(bytes=row["content_id"])),
                "kind": KINDS[row["kind"]],
            }
            for message in await self.messages(topics.EVENTS, count, lambda value: len(rows(value)))
            for row in rows(message.value)
        ]

    async def items(self, topic: topics.Topic, organization_id: UUID, count: int) -> list[dict[str, Any]]:
        """An organization's snapshots or rejections, with their partition."""

        def found(value: bytes) -> list[dict[str, Any]]:
            return [item for item in msgspec.json.decode(value) if item["organization_id"] == str(organization_id)]

        return [
            {**item, "partition": message.partition}
            for message in await self.messages(topic, count, lambda value: len(found(value)))
            for item in found(message.value)
        ]


@pytest.fixture(scope="session")
async def log(corner: Settings) -> Log:
    made = Log(corner)
    await made.begin_here()
    return made
