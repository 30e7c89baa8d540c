"""Posting bodies over HTTP as fast as a server takes them, or at a given rate; kept-alive connections, no library."""

import asyncio
import itertools
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

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


async def send(
    port: int, posts: Sequence[bytes], *, connections: int, seconds: float, requests_per_second: float | None = None
) -> Sent:
    """Post for `seconds`, taking the requests by turns; at the given rate, each request at most once."""
    sent, turns, loop = Sent(), itertools.count(), asyncio.get_running_loop()
    begin = loop.time()

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while loop.time() < begin + seconds:
            turn = next(turns)
            if requests_per_second:
                if turn >= len(posts):
                    break
                await asyncio.sleep(max(0.0, begin + turn / requests_per_second - loop.time()))
            writer.write(posts[turn % len(posts)])
            status, answer = await _answer(reader)
            sent.requests += 1
            if status == 202:
                sent.accepted += json.loads(answer)["accepted"]
            else:
                sent.refused.append(f"{status} {answer[:200]!r}")
        writer.close()

    await asyncio.gather(*(one() for _ in range(connections)))
    return sent


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
    return int(head.split(b" ", 2)[1]), await reader.readexactly(length)


async def until_ready(port: int, give_up_s: float = 60) -> None:
    """Returns when GET /readyz is 200."""
    end = time.monotonic() + give_up_s
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /readyz HTTP/1.1\r\nhost: bench\r\n\r\n")
            status, _ = await _answer(reader)
            writer.close()
            if status == 200:
                return
        except (OSError, asyncio.IncompleteReadError):
            pass
        if time.monotonic() > end:
            raise TimeoutError(f"nothing is ready at port {port}")
        await asyncio.sleep(0.1)
