"""More than it may take, a Kafka that stands still, senders that never finish: told at once, and it does not grow."""

import asyncio
import re
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from pydantic import SecretStr
from uvicorn.server import ServerState

from ingestion import protocol
from ingestion.protocol import BoundedProtocol
from tests.conftest import free_port
from tests.ingestion.broker import Broker

MB = 1024 * 1024


def memory_bytes(pid: int, what: str) -> int:
    """VmRSS, or VmHWM, the most that there has been."""
    told = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(told[what].split()[0]) * 1024


async def test_beyond_its_limits_it_answers_429_and_503_does_not_grow_and_has_what_it_acknowledged(
    running: Any, corner: Any, new_organization: Any, log: Any, tmp_path: Path
) -> None:
    """`fast` may send 2,000 events a second and tries many times that; `modest` stays below and is told 503 only."""
    fast, modest = await new_organization(), await new_organization()
    contents = {of.id: await of.content(20) for of in (fast, modest)}
    answers: dict[Any, Counter[int]] = {fast.id: Counter(), modest.id: Counter()}
    accepted: dict[Any, list[str]] = {fast.id: [], modest.id: []}
    limits = {"TALLYWIRE_INGESTION_EVENTS_PER_SECOND": "2000", "TALLYWIRE_INGESTION_MEMORY_BYTES": "1000000"}

    async def send(collecting: Any, of: Any, events: int, pause_s: float, until: float) -> None:
        while time.monotonic() < until:
            batch = [of.event(contents[of.id][n % 20], attributes={"a": "x" * 1000}) for n in range(events)]
            answer = await collecting.events(batch, of.key)
            answers[of.id][answer.status_code] += 1
            if answer.status_code == 202:
                assert answer.json() == {"accepted": events, "rejected": []}
                accepted[of.id] += [event["id"] for event in batch]
            else:
                assert 1 <= int(answer.headers["retry-after"]) <= 5
            await asyncio.sleep(pause_s)

    async with running(corner, tmp_path, **limits) as collecting:
        await send(collecting, modest, 20, 0, time.monotonic() + 0.5)
        before = memory_bytes(collecting.process.pid, "VmRSS")
        until = time.monotonic() + 3
        await asyncio.gather(
            *(send(collecting, fast, 150, 0, until) for _ in range(24)), send(collecting, modest, 5, 0.1, until)
        )
        grown = memory_bytes(collecting.process.pid, "VmHWM") - before
    assert set(answers[fast.id]) == {202, 429, 503}
    assert set(answers[modest.id]) <= {202, 503}
    assert grown < 32 * MB
    for organization_id, ids in accepted.items():
        stored = await log.events(organization_id, len(ids))
        assert sorted(event["id"] for event in stored) == sorted(ids)


async def test_while_kafka_stands_still_it_answers_503_at_once_does_not_grow_and_keeps_what_it_was_sent(
    running: Any, corner: Any, organization: Any, log: Any, tmp_path: Path
) -> None:
    (content,) = await organization.content()
    broker = Broker(free_port())
    alone = corner.model_copy(update={"kafka_url": SecretStr(f"kafka://127.0.0.1:{broker.port}")})
    broker.start()
    try:
        await broker.until_up(alone)
        async with running(alone, tmp_path) as collecting:

            async def post() -> tuple[str, int]:
                event = organization.event(content)
                answer = await collecting.events([event], organization.key)
                if answer.status_code == 503:
                    assert int(answer.headers["retry-after"]) >= 1
                return event["id"], answer.status_code

            told = [await post()]
            broker.end(signal.SIGSTOP)
            caught = [asyncio.create_task(post()) for _ in range(10)]
            await asyncio.sleep(0.1)
            behind = await asyncio.wait_for(asyncio.gather(*(post() for _ in range(10))), 10)
            assert {status for _, status in behind} == {503}
            before = memory_bytes(collecting.process.pid, "VmRSS")
            for _ in range(10):
                started = time.monotonic()
                refused = await asyncio.gather(*(post() for _ in range(50)))
                assert {status for _, status in refused} == {503}
                assert time.monotonic() - started < 2
            assert memory_bytes(collecting.process.pid, "VmHWM") - before < 16 * MB
            broker.end(signal.SIGCONT)
            told += await asyncio.wait_for(asyncio.gather(*caught), 20)
            told.append(await post())
            assert told[-1][1] == 202
            accepted = [id_ for id_, status in told if status == 202]
            stored = [event["id"] for event in await type(log)(alone).events(organization.id, len(accepted))]
            assert set(accepted) <= set(stored) <= {id_ for id_, _ in told}
    finally:
        broker.end(signal.SIGKILL)


@pytest.fixture
async def bounded(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[str, int]]:
    """Where a server listens that waits half a second for a request to be whole."""

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})

    monkeypatch.setattr(protocol, "READ_TIMEOUT_S", 0.5)
    config = uvicorn.Config(app, http=BoundedProtocol, ws="none", lifespan="off", access_log=False, log_config=None)
    config.load()
    loop, state = asyncio.get_running_loop(), ServerState()
    server = await loop.create_server(lambda: BoundedProtocol(config, state, {}, loop), "127.0.0.1", 0)
    yield server.sockets[0].getsockname()
    server.close()
    await asyncio.sleep(0.1)
    assert not state.connections


@pytest.mark.parametrize(
    ("sent", "statuses"),
    [
        (b"", [b"408"]),
        (b"POST /v1/events HT", [b"408"]),
        (b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nhalf", [b"408"]),
        (b"GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HT", [b"200", b"408"]),
    ],
)
async def test_a_request_that_never_becomes_whole_is_hung_up_on(
    bounded: tuple[str, int], sent: bytes, statuses: list[bytes]
) -> None:
    reader, writer = await asyncio.open_connection(*bounded)
    writer.write(sent)
    answered = await asyncio.wait_for(reader.read(), 5)
    assert re.findall(rb"HTTP/1\.1 (\d+)", answered) == statuses
    writer.close()


async def test_a_slow_request_that_becomes_whole_is_answered_and_the_next_one_has_its_own_time(
    bounded: tuple[str, int],
) -> None:
    reader, writer = await asyncio.open_connection(*bounded)
    for _ in range(3):
        for part in (b"GET /heal", b"thz HTTP/1.1\r\nhost: a\r\n", b"\r\n"):
            await asyncio.sleep(0.1)
            writer.write(part)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
    writer.close()
