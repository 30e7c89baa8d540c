"""A steady load for as long as is asked, at a part of the capacity measured first; memory of every process, sampled.

What grows for ever shows as a slope over the second half; the first half fills what is bounded and meant to be filled.
"""

import asyncio
import secrets
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
from pydantic import SecretStr

import wire.redis
from benchmarks import data, sender
from benchmarks.contenders import http
from benchmarks.contenders.latency import BATCH, UNLIMITED
from benchmarks.contenders.result import task, tell
from benchmarks.contenders.tallywire_streams import counted, worker
from benchmarks.processes import cpu_seconds

PART: Final = 0.8
STRETCH_S: Final = 20.0
EVERY_S: Final = 5.0


def resident_mb(pid: int) -> float:
    """What a process has in memory now."""
    told = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(told["VmRSS"].split()[0]) / 1024


async def sample(pids: dict[str, int], samples: list[tuple[float, dict[str, float]]]) -> None:
    """For ever: seconds since the start, and each process's memory."""
    start = time.perf_counter()
    while True:
        samples.append((time.perf_counter() - start, {name: resident_mb(pid) for name, pid in pids.items()}))
        await asyncio.sleep(EVERY_S)


def slopes(samples: list[tuple[float, dict[str, float]]]) -> dict[str, dict[str, float]]:
    """By process: memory at the beginning, in the middle, at the end, and megabytes a minute over the second half."""
    late = samples[len(samples) // 2 :]
    at = np.array([seconds for seconds, _ in late]) / 60
    told = {}
    for name in samples[0][1]:
        held = [memory[name] for _, memory in samples]
        slope = float(np.polyfit(at, [memory[name] for _, memory in late], 1)[0]) if len(late) > 1 else 0.0
        told[name] = {"first": held[0], "middle": held[len(held) // 2], "last": held[-1], "mb_a_minute": slope}
    return told


async def main() -> None:
    """Capacity, then the load."""
    told = task()
    kafka_url = told["environment"]["TALLYWIRE_KAFKA_URL"]
    redis = wire.redis.client(SecretStr(told["environment"]["TALLYWIRE_REDIS_URL"]), timeout_s=30)
    contents = np.array([list(bytes.fromhex(id_)) for id_ in told["contents"]], np.uint8)

    def posts(events: float) -> list[bytes]:
        seed, now_ms = secrets.randbits(32), int(time.time() * 1000)
        of = data.happened(int(events), len(contents), seed=seed, until_ms=now_ms, over_s=30, contents=contents)
        return sender.requests(of, BATCH, sender.JSON, told["write_key"])

    async def sent(events: float, seconds: float, rate: float) -> sender.Sent:
        made = await asyncio.to_thread(posts, events)
        return await sender.send(port, made, connections=8, seconds=seconds, requests_per_second=rate)

    samples: list[tuple[float, dict[str, float]]] = []
    accepted, refused = 0, 0
    with worker(told) as counting, http.server({**told, "server": "tallywire"}) as (port, collector):
        await sender.until_ready(port)
        await sent(12_000, 60, UNLIMITED)
        await counted(redis, kafka_url)
        start = time.perf_counter()
        capacity = (await sent(told["events"], 60, UNLIMITED)).accepted
        await counted(redis, kafka_url)
        capacity_a_second = capacity / (time.perf_counter() - start)
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
    more: dict[str, Any] = {"part": PART, "capacity": capacity_a_second, "refused": refused, "memory": slopes(samples)}
    tell(accepted, spent, "tallywire", **more)
    await redis.aclose()


if __name__ == "__main__":
    asyncio.run(main())
