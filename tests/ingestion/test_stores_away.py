"""PostgreSQL or Kafka away: what is known goes on, nothing is lost, nothing is guessed, and it all comes back."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.conftest import free_port
from tests.ingestion.broker import Broker


@dataclass
class Cable:
    """A TCP connection to PostgreSQL that can be pulled and put back."""

    host: str
    port: int
    is_cut: bool = False
    own_port: int = 0
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_cut:
            writer.close()
            return
        far_reader, far_writer = await asyncio.open_connection(self.host, self.port)
        self._writers |= {writer, far_writer}
        await asyncio.gather(self._copy(reader, far_writer), self._copy(far_reader, writer))

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()
        self._writers.discard(writer)

    def cut(self) -> None:
        self.is_cut = True
        for writer in list(self._writers):
            writer.transport.abort()


@pytest.fixture
async def cable(corner: Any) -> AsyncIterator[Cable]:
    at = urlsplit(corner.postgres_relay_url.get_secret_value())
    made = Cable(at.hostname or "", at.port or 0)
    server = await asyncio.start_server(made.carry, "127.0.0.1", 0)
    made.own_port = server.sockets[0].getsockname()[1]
    yield made
    made.cut()
    server.close()
    await asyncio.sleep(0.05)


async def test_without_postgresql_known_keys_and_content_go_on_and_others_are_asked_to_wait(
    running: Any, corner: Any, cable: Cable, organization: Any, new_organization: Any, log: Any, tmp_path: Path
) -> None:
    known, later = await organization.content(2)
    stranger = await new_organization()
    at = urlsplit(corner.postgres_relay_url.get_secret_value())
    url = f"postgresql://{at.username}:{at.password}@127.0.0.1:{cable.own_port}{at.path}"
    async with running(corner, tmp_path, TALLYWIRE_POSTGRES_RELAY_URL=url) as collecting:
        sent = [organization.event(known)]
        assert (await collecting.events(sent, organization.key)).json()["accepted"] == 1
        cable.cut()

        assert (await collecting.client.get(f"{collecting.url}/readyz")).status_code == 503
        sent.append(organization.event(known))
        assert (await collecting.events(sent[1:], organization.key)).json()["accepted"] == 1
        mixed = [organization.event(known), organization.event(later), organization.event("nonsense")]
        for body, key in ((mixed, organization.key), ([], stranger.key)):
            refused = await collecting.events(body, key)
            assert refused.status_code == 503
            assert int(refused.headers["retry-after"]) >= 1

        cable.is_cut = False
        assert (await collecting.events(mixed, organization.key)).json()["accepted"] == 2
        assert (await collecting.events([], stranger.key)).status_code == 202
    stored = await log.events(organization.id, 4)
    assert [event["id"] for event in stored if event["content_id"] == known] == [
        event["id"] for event in (*sent, mixed[0])
    ]
    assert len(stored) == 4


async def test_a_collector_starts_without_kafka_and_outlives_it(
    running: Any, corner: Any, organization: Any, log: Any, tmp_path: Path
) -> None:
    (content,) = await organization.content()
    broker = Broker(free_port())
    alone = corner.model_copy(update={"kafka_url": type(corner.kafka_url)(f"kafka://127.0.0.1:{broker.port}")})
    event = organization.event(content)
    starting = running(alone, tmp_path, waiting=False)
    try:
        async with starting as collecting:
            refused = await collecting.events([event], organization.key)
            assert refused.status_code == 503
            assert int(refused.headers["retry-after"]) >= 1
            assert (await collecting.client.get(f"{collecting.url}/readyz")).json() == {
                "kafka": False,
                "postgres": True,
            }

            broker.start()
            await broker.until_up(alone)
            await collecting.until_up()
            assert (await collecting.events([event], organization.key)).json()["accepted"] == 1

            broker.end(signal.SIGKILL)
            ready = await collecting.client.get(f"{collecting.url}/readyz")
            assert (ready.status_code, ready.json()) == (503, {"kafka": False, "postgres": True})
            waiting = asyncio.create_task(collecting.events([organization.event(content)], organization.key))
            await asyncio.sleep(0.5)
            broker.start()
            await broker.until_up(alone)
            answer = await waiting
            assert answer.status_code in {202, 503}
            last = organization.event(content)
            for _ in range(30):
                answer = await collecting.events([last], organization.key)
                if answer.status_code == 202:
                    break
                assert answer.status_code == 503
            assert answer.json()["accepted"] == 1
            stored = await type(log)(alone).events(organization.id, 1)
            assert last["id"] in [event["id"] for event in stored]
    finally:
        if broker.process:
            broker.end(signal.SIGKILL)


async def test_what_was_accepted_is_in_kafka_after_an_end_in_the_middle(
    running: Any, corner: Any, organization: Any, log: Any, tmp_path: Path
) -> None:
    contents = await organization.content(10)
    accepted: list[str] = []
    enough = asyncio.Event()

    async def send(collecting: Any) -> None:
        with suppress(Exception):  # the process ends under it
            for n in range(10_000):
                event = organization.event(contents[n % 10])
                answer = await collecting.events([event], organization.key)
                if answer.status_code != 202:
                    return
                accepted.append(event["id"])
                if len(accepted) > 50:
                    enough.set()

    async with running(corner, tmp_path) as collecting:
        senders = [asyncio.create_task(send(collecting)) for _ in range(8)]
        await asyncio.wait_for(enough.wait(), 30)
        collecting.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(collecting.process.wait, 30) == 0, collecting.log.read_text()
        await asyncio.gather(*senders)
    stored = await log.events(organization.id, len(accepted))
    assert set(accepted) <= {event["id"] for event in stored}
