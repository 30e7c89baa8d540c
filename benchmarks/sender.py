"""Posting bodies over HTTP as fast as a server takes them, or at a given rate; kept-alive connections, no library."""

import asyncio
import itertools
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Self, cast

import msgspec

from benchmarks import data

JSON, NDJSON = "application/json", "application/x-ndjson"


def body(events: Sequence[dict[str, Any]], media_type: str) -> bytes:
    """Events as a body."""
    encoder = msgspec.json.Encoder()
    return encoder.encode_lines(events) if media_type == NDJSON else encoder.encode(events)


def requests(of: data.Happened, batch: int, media_type: str, write_key: str) -> list[bytes]:
    """Whole requests, head and body, of `batch` events each."""
    events = data.posted(of)
    made = []
    for at in range(0, len(events), batch):
        content = body(events[at : at + batch], media_type)
        head = (
            f"POST /v1/events HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {write_key}\r\n"
            f"content-type: {media_type}\r\ncontent-length: {len(content)}\r\n\r\n"
        )
        made.append(head.encode() + content)
    return made


@dataclass
class Sent:
    """What the server answered."""

    accepted: int = 0
    requests: int = 0
    refused: list[str] = field(default_factory=list)


class Connection(asyncio.Protocol):
    """One that is kept: a request, its answer, the next request. Streams would cost more than the servers measured."""

    _transport: asyncio.Transport
    _answer: asyncio.Future[tuple[int, bytes]]
    _got = b""

    @classmethod
    async def to(cls, port: int) -> Self:
        """Connected."""
        return (await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port))[1]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready to ask."""
        self._transport = cast("asyncio.Transport", transport)

    def ask(self, request: bytes) -> asyncio.Future[tuple[int, bytes]]:
        """Status and body of the answer; ConnectionError where there is none. One at a time."""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._answer

    def data_received(self, data: bytes) -> None:
        """Some of the answer, mostly all of it."""
        self._got += data
        if (answer := _answer(self._got)) is not None:
            self._got = b""
            self._answer.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever waits learns of it."""
        if not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError("the server hung up"))

    def close(self) -> None:
        """Nothing is asked any more."""
        self._transport.close()


@lru_cache(maxsize=100)
def _answer(got: bytes) -> tuple[int, bytes] | None:
    """Status and body, once they are there; servers say the same again and again."""
    head, end, content = got.partition(b"\r\n\r\n")
    if not end:
        return None
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
    return (int(head.split(b" ", 2)[1]), content) if len(content) >= length else None


async def send(
    port: int,
    posts: Sequence[bytes],
    *,
    connections: int,
    seconds: float,
    requests_per_second: float | None = None,
    sent: Sent | None = None,
) -> Sent:
    """Post for `seconds`, taking the requests by turns; at the given rate, each request at most once.

    `sent` is kept up to date meanwhile. Begins when all connections are there.
    """
    told, turns, loop = sent or Sent(), itertools.count(), asyncio.get_running_loop()
    opened = [await Connection.to(port) for _ in range(connections)]
    begin = loop.time()

    async def one(connection: Connection) -> None:
        while loop.time() < begin + seconds:
            turn = next(turns)
            if requests_per_second:
                if turn >= len(posts):
                    break
                await asyncio.sleep(max(0.0, begin + turn / requests_per_second - loop.time()))
            status, answer = await connection.ask(posts[turn % len(posts)])
            told.requests += 1
            if status == HTTPStatus.ACCEPTED:
                told.accepted += _accepted(answer)
            else:
                told.refused.append(f"{status} {answer[:200]!r}")
        connection.close()

    await asyncio.gather(*map(one, opened))
    return told


@lru_cache(maxsize=100)
def _accepted(answer: bytes) -> int:
    accepted: int = json.loads(answer)["accepted"]
    return accepted


async def until_ready(port: int, give_up_s: float = 60) -> None:
    """Returns when GET /readyz is 200."""
    end = time.monotonic() + give_up_s
    while True:
        try:
            connection = await Connection.to(port)
            status, _ = await connection.ask(b"GET /readyz HTTP/1.1\r\nhost: bench\r\n\r\n")
            connection.close()
            if status == HTTPStatus.OK:
                return
        except OSError:
            pass
        if time.monotonic() > end:
            raise TimeoutError(f"nothing is ready at port {port}")
        await asyncio.sleep(0.1)
