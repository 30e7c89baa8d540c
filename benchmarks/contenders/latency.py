"""From the collector's 202 to the figure that a reader sees, under a steady load: Redis, and ClickHouse's ledger.

First the capacity: what collector, worker and stores on this machine take in and count in all, the load's own cost
included. Then, at parts of it, ten pieces of content a second get their first event, and both stores are asked for it
again and again: each time is how long it took until the answer had it, to 5 ms (Redis) and 25 ms (ClickHouse).
"""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final
from uuid import UUID

import numpy as np
from clickhouse_connect.driver.client import Client
from pydantic import SecretStr

import wire.clickhouse
import wire.redis
from benchmarks import data, sender
from benchmarks.contenders import http
from benchmarks.contenders.result import task, tell
from benchmarks.contenders.tallywire_streams import counted, worker
from benchmarks.processes import cpu_seconds
from wire.counters import partition_of, piece_field, totals_key

PROBES_A_SECOND: Final = 10
GIVE_UP_S: Final = 30.0
REDIS_EVERY_S: Final = 0.005
CLICKHOUSE_EVERY_S: Final = 0.025
BATCH: Final = 500
UNLIMITED: Final = 1e9

Seen = Callable[[UUID], Awaitable[bool]]


async def waited(seen: Seen, piece: UUID, every_s: float) -> float:
    """Seconds until the piece is seen; infinite where that takes too long."""
    start = time.perf_counter()
    while not await seen(piece):
        if time.perf_counter() - start > GIVE_UP_S:
            return float("inf")
        await asyncio.sleep(every_s)
    return time.perf_counter() - start


async def probe(port: int, post: bytes, piece: UUID, redis: Seen, clickhouse: Seen) -> tuple[float, float]:
    """Post one event; how long each store took to have it."""
    sent = await sender.send(port, [post], connections=1, seconds=GIVE_UP_S, requests_per_second=UNLIMITED)
    assert sent.accepted == 1, sent.refused
    return await asyncio.gather(waited(redis, piece, REDIS_EVERY_S), waited(clickhouse, piece, CLICKHOUSE_EVERY_S))


async def at_rate(port: int, posts: list[bytes], rate: float, seconds: float, probes: list[Any]) -> dict[str, float]:
    """Load at `rate` events a second, and probes in the midst of it -> percentiles in seconds."""
    load = asyncio.create_task(
        sender.send(port, posts, connections=8, seconds=seconds + 1, requests_per_second=rate / BATCH)
    )
    await asyncio.sleep(1)
    running = []
    for make in probes[: int(seconds * PROBES_A_SECOND)]:
        running.append(asyncio.create_task(make()))
        await asyncio.sleep(1 / PROBES_A_SECOND)
    times = np.array(await asyncio.gather(*running))
    sent = await load
    figures = {"rate": sent.accepted / (seconds + 1), "probes": float(len(times)), "refused": float(len(sent.refused))}
    for column, store in enumerate(("redis", "clickhouse")):
        for percent in (50, 99):
            figures[f"{store}_p{percent}_s"] = float(np.percentile(times[:, column], percent))
    return figures


def asking(clickhouse: Client) -> Seen:
    """Whether the ledger has a piece's event."""
    of_piece = "organization_id = {organization:UUID} AND content_id = {piece:UUID}"
    sql = f"SELECT count() FROM engagement_events WHERE {of_piece}"
    organization = UUID(hex=task()["organization_id"])

    async def seen(piece: UUID) -> bool:
        asked = {"piece": piece, "organization": organization}
        return bool((await asyncio.to_thread(clickhouse.query, sql, asked)).result_rows[0][0])

    return seen


async def main() -> None:
    """Capacity, then the parts of it."""
    told = task()
    at = told["environment"]
    organization = UUID(hex=told["organization_id"])
    redis = wire.redis.client(SecretStr(at["TALLYWIRE_REDIS_URL"]), timeout_s=30)
    clickhouse = wire.clickhouse.client(SecretStr(at["TALLYWIRE_CLICKHOUSE_URL"]))
    pieces = np.array([list(bytes.fromhex(id_)) for id_ in told["contents"]], np.uint8)
    probed, loaded = pieces[: len(pieces) // 2], pieces[len(pieces) // 2 :]

    async def in_redis(piece: UUID) -> bool:
        return bool(await redis.hexists(totals_key(partition_of(piece)), piece_field(organization, piece)))

    def made(events: int, contents: Any) -> data.Happened:
        now_ms = int(time.time() * 1000)
        seed = secrets.randbits(32)
        return data.happened(events, len(contents), seed=seed, until_ms=now_ms, over_s=30, contents=contents)

    def posts(events: float) -> list[bytes]:
        return sender.requests(made(int(events), loaded), BATCH, sender.JSON, told["write_key"])

    in_clickhouse, turns = asking(clickhouse), iter(probed)

    def a_probe(port: int) -> Callable[[], Awaitable[tuple[float, float]]]:
        piece = next(turns).reshape(1, 16)
        (post,) = sender.requests(made(1, piece), 1, sender.JSON, told["write_key"])
        return lambda: probe(port, post, UUID(bytes=piece.tobytes()), in_redis, in_clickhouse)

    with worker(told), http.server({**told, "server": "tallywire"}) as (port, _):
        await sender.until_ready(port)
        await sender.send(port, posts(12_000), connections=8, seconds=60, requests_per_second=UNLIMITED)
        await counted(redis, at["TALLYWIRE_KAFKA_URL"])
        fresh = posts(told["events"])
        before, start = cpu_seconds(told["pids"].values()), time.perf_counter()
        sent = await sender.send(port, fresh, connections=8, seconds=60, requests_per_second=UNLIMITED)
        await counted(redis, at["TALLYWIRE_KAFKA_URL"])
        seconds = time.perf_counter() - start
        spent, capacity = cpu_seconds(told["pids"].values()) - before, sent.accepted / seconds
        levels = {}
        for part in (20, 80):
            probes = [a_probe(port) for _ in range(int(told["seconds"] * PROBES_A_SECOND))]
            rate = capacity * part / 100
            load = posts(rate * (told["seconds"] + 1))
            levels[str(part)] = await at_rate(port, load, rate, told["seconds"], probes)
            await counted(redis, at["TALLYWIRE_KAFKA_URL"])
    more = {"capacity": capacity, "levels": levels}
    tell(sent.accepted, {"cpu_seconds": spent, "wall_seconds": seconds}, "tallywire", **more)
    await redis.aclose()
    clickhouse.close()


if __name__ == "__main__":
    asyncio.run(main())
