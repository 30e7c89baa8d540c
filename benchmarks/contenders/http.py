"""Posting to a collector, ours or FastAPI's: events accepted for each second of the server's CPU, acks=all.

The server has a core to itself; the load comes from the other. What was accepted is then counted in the log.
"""

import asyncio
import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import uvloop

from benchmarks import data, log, sender
from benchmarks.contenders.result import task, tell
from benchmarks.processes import cpu_seconds, placed, rss_mb
from wire import envelope
from wire.topics import EVENTS

CONNECTIONS = {1: 512, 100: 128, 1_000: 16}
"""By how many events a request has: so many that no server ever waits for its clients."""
MORE_S = 0.2
"""The load goes on while the clock is read."""
POOL_EVENTS = 20_000
WARM_S = 3.0
"""The servers' own beginnings are over, and every connection has had answers. Before it each event is posted once, so
that all content has been looked up."""
MOST, UNLIMITED = 1_000, 1e9
"""Events of a request of that, as fast as they are taken."""
END = b"end"
"""A message that nobody posted."""


@contextlib.contextmanager
def server(told: dict[str, Any]) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """The port and the process of a collector on the measured core."""
    port = _free_port()
    more = {"TALLYWIRE_PORT": str(port), "TALLYWIRE_INGESTION_EVENTS_PER_SECOND": "50000000"}
    command = [sys.executable, "-P", "-m", "ingestion"]
    if told["server"] == "fastapi":
        of_app = json.dumps({**told, "port": port})
        command = [told["peers_python"], "-m", "benchmarks.contenders.fastapi_app", of_app]
    with (Path(told["folder"]) / f"{told['server']}.log").open("wb") as out:
        environment = {**os.environ, **told["environment"], **more}
        process = subprocess.Popen(placed(told, *command), env=environment, stdout=out, stderr=out)
    try:
        yield port, process
    finally:
        process.terminate()
        process.wait(60)


def _free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


async def stored(told: dict[str, Any], starts: dict[int, int]) -> tuple[int, int]:
    """How many events, in how many messages, the log has got since."""
    topic, partitions = told["topic"], told["partitions"]
    # Tansu tells the end of a partition too low until a message follows a batch of many
    await log.fill(told["kafka"], topic, [(n, int(time.time() * 1000), None, END) for n in range(partitions)])
    ends = await log.ends(told["kafka"], topic, partitions)
    if told["server"] == "fastapi" and told["per"] == "event":
        count = sum(ends.values()) - partitions
        return count, count
    read = [value for value in await log.values(told["kafka"], topic, starts, ends) if value != END]
    if told["server"] == "fastapi":
        return sum(len(msgspec.json.decode(value, type=list[msgspec.Raw])) for value in read), len(read)
    return sum(envelope.decode(value).num_rows for value in read), len(read)


async def main() -> None:
    """Warm it up, load it, compare."""
    told = task()
    told = {"topic": EVENTS.name, "partitions": EVENTS.partitions, **told}
    contents = np.array([list(bytes.fromhex(id_)) for id_ in told["contents"]], np.uint8)
    now_ms = int(time.time() * 1000)
    of = data.happened(POOL_EVENTS, len(contents), seed=secrets.randbits(32), until_ms=now_ms, contents=contents)
    posts = sender.requests(of, told["batch"], told["media_type"], told["write_key"])
    starts = await log.ends(told["kafka"], told["topic"], told["partitions"])
    every = sender.requests(of, MOST, sender.JSON, told["write_key"])
    with server(told) as (port, process):
        await sender.until_ready(port)
        begun = await sender.send(port, every, connections=4, seconds=60, requests_per_second=UNLIMITED)
        connections = CONNECTIONS[told["batch"]]
        sent, seconds = sender.Sent(), WARM_S + told["seconds"] + MORE_S
        sending = asyncio.create_task(sender.send(port, posts, connections=connections, seconds=seconds, sent=sent))
        await asyncio.sleep(WARM_S)
        before, start, warm = cpu_seconds([process.pid]), time.perf_counter(), replace(sent)
        await asyncio.sleep(told["seconds"])
        spent = {"cpu_seconds": cpu_seconds([process.pid]) - before, "wall_seconds": time.perf_counter() - start}
        accepted, requests = sent.accepted - warm.accepted, sent.requests - warm.requests
        await sending
        rss = rss_mb(process.pid)
    events, messages = await stored(told, starts)
    accepted_in_all, refused = begun.accepted + sent.accepted, [*begun.refused, *sent.refused]
    more = {"accepted": accepted_in_all, "stored": events, "messages": messages, "refused": refused[:3]}
    more |= {"rss_mb": rss, "requests": requests}
    tell(accepted, spent, "tallywire", "uvicorn", equal=events == accepted_in_all and not refused, **more)


if __name__ == "__main__":
    uvloop.run(main())
