"""A steady load for as long as is asked, at a part of the capacity measured first; memory of every process, sampled.

What grows for ever shows as a slope over the second half; the first half fills what is bounded and meant to be filled.
At the end every store is asked how much it has: all that was accepted, and of what was refused no more than was sent.
"""

import asyncio
import secrets
import sys
import time
from typing import Any, Final

import numpy as np
from pydantic import SecretStr

import wire.clickhouse
import wire.redis
from benchmarks import data, sender
from benchmarks.contenders import http
from benchmarks.contenders.latency import BATCH, UNLIMITED
from benchmarks.contenders.result import task, tell
from benchmarks.contenders.tallywire_streams import (
    counted,
    in_aggregates,
    in_ledger,
    in_redis,
    settled,
    worker,
)
from benchmarks.processes import cpu_seconds, private_mb

PART: Final = 0.8
STRETCH_S: Final = 20.0
EVERY_S: Final = 5.0
SAID_EVERY: Final = 12

Samples = list[tuple[float, dict[str, float]]]
"""seconds since the start, and what each process holds (MB)"""


async def sample(pids: dict[str, int], samples: Samples) -> None:
    """For ever; says each minute what it sees."""
    start = time.perf_counter()
    while True:
        samples.append((time.perf_counter() - start, {name: private_mb(pid) for name, pid in pids.items()}))
        if len(samples) % SAID_EVERY == 1:
            seconds, held = samples[-1]
            told = ", ".join(f"{name} {memory:,.0f} MB" for name, memory in held.items())
            print(f"{seconds / 60:.0f} min: {told}", file=sys.stderr, flush=True)
        await asyncio.sleep(EVERY_S)


def slopes(samples: Samples) -> dict[str, dict[str, float]]:
    """By process: memory at the beginning, in the middle, at the end, the most, and megabytes a minute over the second
    half."""
    late = samples[len(samples) // 2 :]
    at = np.array([seconds for seconds, _ in late]) / 60
    told = {}
    for name in samples[0][1]:
        held = [memory[name] for _, memory in samples]
        slope = float(np.polyfit(at, [memory[name] for _, memory in late], 1)[0]) if len(late) > 1 else 0.0
        told[name] = {"first": held[0], "middle": held[len(held) // 2], "last": held[-1], "most": max(held)}
        told[name]["mb_a_minute"] = slope
    return told


async def main() -> None:
    """Capacity, then the load."""
    told = task()
    kafka_url = told["environment"]["TALLYWIRE_KAFKA_URL"]
    redis = wire.redis.client(SecretStr(told["environment"]["TALLYWIRE_REDIS_URL"]), timeout_s=30)
    clickhouse = wire.clickhouse.client(SecretStr(told["environment"]["TALLYWIRE_CLICKHOUSE_URL"]))
    organization = bytes.fromhex(told["organization_id"])
    contents = np.array([list(bytes.fromhex(id_)) for id_ in told["contents"]], np.uint8)

    def posts(events: float) -> list[bytes]:
        seed, now_ms = secrets.randbits(32), int(time.time() * 1000)
        of = data.happened(int(events), len(contents), seed=seed, until_ms=now_ms, over_s=30, contents=contents)
        return sender.requests(of, BATCH, sender.JSON, told["write_key"])

    async def sent(events: float, seconds: float, rate: float) -> sender.Sent:
        made = await asyncio.to_thread(posts, events)
        return await sender.send(port, made, connections=8, seconds=seconds, requests_per_second=rate)

    samples: Samples = []
    accepted, refused = 0, 0
    with worker(told) as counting, http.server({**told, "server": "tallywire"}) as (port, collector):
        await sender.until_ready(port)
        warm = await sent(12_000, 60, UNLIMITED)
        await counted(redis, kafka_url)
        start = time.perf_counter()
        full = await sent(told["events"], 60, UNLIMITED)
        await counted(redis, kafka_url)
        capacity_a_second = full.accepted / (time.perf_counter() - start)
        pids = {"collector": collector.pid, "streams": counting.pid, **told["pids"]}
        before, start = cpu_seconds(pids.values()), time.perf_counter()
        sampling = asyncio.create_task(sample(pids, samples))
        rate = PART * capacity_a_second
        while time.perf_counter() - start < 60 * told["minutes"]:
            done = await sent(rate * STRETCH_S, STRETCH_S, rate / BATCH)
            accepted, refused = accepted + done.accepted, refused + len(done.refused)
        await counted(redis, kafka_url)
        sampling.cancel()
        spent = {"cpu_seconds": cpu_seconds(pids.values()) - before, "wall_seconds": time.perf_counter() - start}
        await settled(clickhouse, kafka_url)
    stores = {
        "ledger": in_ledger(clickhouse, organization),
        "aggregates": sum(in_aggregates(clickhouse, organization).values()),
        "redis": await in_redis(redis, organization),
    }
    least = accepted + warm.accepted + full.accepted
    most = least + BATCH * (refused + len(warm.refused) + len(full.refused))
    more: dict[str, Any] = {
        **{name: told[name] for name in ("kafka_kind", "state_bytes")},
        **{"part": PART, "capacity": capacity_a_second, "refused": refused, "memory": slopes(samples)},
        **{"stores": stores, "equal": len(set(stores.values())) == 1 and least <= stores["ledger"] <= most},
    }
    tell(accepted, spent, "tallywire", **more)
    clickhouse.close()
    await redis.aclose()


if __name__ == "__main__":
    asyncio.run(main())
