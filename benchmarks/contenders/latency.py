"""From the collector's 202 to the figure that a reader sees, under a steady load: Redis, and ClickHouse's ledger.

First the capacity: what collector, worker and stores on this machine take in and count in all, the load's own cost
included. Then, at parts of it, ten pieces of content a second get their first event, and both stores are asked for it
again and again: each time is how long it took until the answer had it, to 5 ms (Redis) and 50 ms (ClickHouse). Each
store is asked for all pieces that are waited for at once, so that asking is no load of its own.
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
from redis.asyncio import Redis

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
CLICKHOUSE_EVERY_S: Final = 0.05
BATCH: Final = 500
UNLIMITED: Final = 1e9

Seen = Callable[[list[UUID]], Awaitable[set[UUID]]]
"""which of these pieces a store has"""


class Watch:
    """Asks one store every `every_s` for the pieces that are waited for."""

    def __init__(self, seen: Seen, every_s: float) -> None:
        self._seen, self._every_s = seen, every_s
        self._waiting: dict[UUID, asyncio.Future[float]] = {}

    async def waited(self, piece: UUID) -> float:
        """Seconds until the piece is seen; infinite where that takes too long."""
        start = time.perf_counter()
        self._waiting[piece] = asyncio.get_running_loop().create_future()
        try:
            return await asyncio.wait_for(self._waiting[piece], GIVE_UP_S) - start
        except TimeoutError:
            return float("inf")
        finally:
            del self._waiting[piece]

    async def run(self) -> None:
        """For ever."""
        while True:
            asked = [piece for piece, found in self._waiting.items() if not found.done()]
            for piece in await self._seen(asked) if asked else ():
                if piece in self._waiting:
                    self._waiting[piece].set_result(time.perf_counter())
            await asyncio.sleep(self._every_s)


async def probe(port: int, post: bytes, piece: UUID, redis: Watch, clickhouse: Watch) -> tuple[float, float]:
    """Post one event; how long each store took to have it."""
    sent = await sender.send(port, [post], connections=1, seconds=GIVE_UP_S, requests_per_second=UNLIMITED)
    assert sent.accepted == 1, sent.refused
    return await asyncio.gather(redis.waited(piece), clickhouse.waited(piece))


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


def in_ledger(clickhouse: Client, organization: UUID) -> Seen:
    """Which pieces' events the ledger has."""
    of_pieces = "organization_id = {organization:UUID} AND content_id IN {pieces:Array(UUID)}"
    sql = f"SELECT DISTINCT content_id FROM engagement_events WHERE {of_pieces} SETTINGS final = 0"

    async def seen(pieces: list[UUID]) -> set[UUID]:
        asked = {"pieces": pieces, "organization": organization}
        return {row[0] for row in (await asyncio.to_thread(clickhouse.query, sql, asked)).result_rows}

    return seen


def in_redis(client: Redis, organization: UUID) -> Seen:
    """Which pieces have totals."""

    async def seen(pieces: list[UUID]) -> set[UUID]:
        async with client.pipeline(transaction=False) as pipeline:
            for piece in pieces:
                pipeline.hexists(totals_key(partition_of(piece)), piece_field(organization, piece))
            return {piece for piece, there in zip(pieces, await pipeline.execute(), strict=True) if there}

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

    def made(events: int, contents: Any) -> data.Happened:
        now_ms = int(time.time() * 1000)
        seed = secrets.randbits(32)
        return data.happened(events, len(contents), seed=seed, until_ms=now_ms, over_s=30, contents=contents)

    def posts(events: float) -> list[bytes]:
        return sender.requests(made(int(events), loaded), BATCH, sender.JSON, told["write_key"])

    watches = (
        Watch(in_redis(redis, organization), REDIS_EVERY_S),
        Watch(in_ledger(clickhouse, organization), CLICKHOUSE_EVERY_S),
    )
    watching = [asyncio.create_task(watch.run()) for watch in watches]
    turns = iter(probed)

    def a_probe(port: int) -> Callable[[], Awaitable[tuple[float, float]]]:
        piece = next(turns).reshape(1, 16)
        (post,) = sender.requests(made(1, piece), 1, sender.JSON, told["write_key"])
        return lambda: probe(port, post, UUID(bytes=piece.tobytes()), *watches)

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
    for task_ in watching:
        task_.cancel()
    await asyncio.wait(watching)
    await redis.aclose()
    clickhouse.close()


if __name__ == "__main__":
    asyncio.run(main())
