"""Tallywire: `python -m streams` with every sink on, from a filled log; CPU of all workers, ClickHouse and Valkey.

The workers are warm before the clock starts: each has counted as many events as it takes into one flush, so that the
memory for it is its own. They stand still while the log is filled. The clock stops when the counters are whole, the
positions are stored, and merges have had some time.
"""

import asyncio
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import redis.asyncio
from clickhouse_connect.driver.client import Client
from pydantic import SecretStr

import wire.clickhouse
import wire.kafka
import wire.redis
from benchmarks import data, log
from benchmarks.contenders.result import Counts, digest, task, tell
from benchmarks.processes import cpu_seconds, placed, rss_mb
from streams import positions
from streams.messages import position
from wire.counters import decode_cells, position_key, position_text, totals_key
from wire.topics import EVENTS

GIVE_UP_S = 120
WARM = 300_000
SHOWN = 10


@contextmanager
def worker(told: dict[str, Any]) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m streams` on the measured core; ready when this begins, ended when it ends."""
    name = f"bench-{secrets.token_hex(4)}"
    of = {**os.environ, **told["environment"], "TALLYWIRE_WORKER_NAME": name, "TALLYWIRE_STATE_DIR": told["folder"]}
    said = Path(told["folder"]) / f"{name}.log"
    with said.open("wb") as out:
        command = placed(told, sys.executable, "-P", "-m", "streams")
        process = subprocess.Popen(command, env=of, stdout=out, stderr=out)
    try:
        _wait_for(Path(told["folder"]) / f"{name}.ready", process, said)
        yield process
    finally:
        process.terminate()
        process.wait(60)


def _wait_for(marker: Path, process: subprocess.Popen[bytes], said: Path) -> None:
    end = time.monotonic() + GIVE_UP_S
    while not marker.exists():
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"the worker did not start:\n{said.read_text()[-3000:]}")
        time.sleep(0.1)


async def append(kafka_url: str, of: data.Happened, envelope_events: int) -> int:
    """Fill the log; answers how many envelopes that took."""
    now_ms = int(time.time() * 1000)
    made = list(data.envelopes(of, envelope_events, EVENTS.partitions))
    await log.fill(kafka_url, EVENTS.name, ((partition, now_ms, None, value) for partition, value in made))
    return len(made)


async def settled(clickhouse: Client, kafka_url: str) -> None:
    """Returns when the stored positions have reached the end of the log: then every store has everything."""
    epoch, ends = await _ends(kafka_url)
    end = time.monotonic() + GIVE_UP_S
    stored = await positions.load(clickhouse, EVENTS.name, epoch)
    while any(stored.get(partition, 0) < to for partition, to in ends.items()):
        if time.monotonic() > end:
            raise TimeoutError(f"the stored positions stay at {stored}, the log ends at {ends}")
        await asyncio.sleep(0.2)
        stored = await positions.load(clickhouse, EVENTS.name, epoch)


async def _ends(kafka_url: str) -> tuple[int, dict[int, int]]:
    epoch = await wire.kafka.ensure_topics(SecretStr(kafka_url))
    return epoch, await log.ends(kafka_url, EVENTS.name, EVENTS.partitions)


async def counted(client: redis.asyncio.Redis, kafka_url: str) -> None:
    """Returns when the counters of every partition have reached the end of the log."""
    epoch, ends = await _ends(kafka_url)
    wanted = {n: position_text(position(epoch, end)).encode() for n, end in ends.items() if end}
    end = time.monotonic() + GIVE_UP_S
    while any(held is None or held < wanted[n] for n, held in zip(wanted, await _held(client, wanted), strict=True)):
        if time.monotonic() > end:
            raise TimeoutError("the counters do not reach the end of the log")
        await asyncio.sleep(0.02)


async def _held(client: redis.asyncio.Redis, wanted: dict[int, bytes]) -> list[bytes | None]:
    return cast("list[bytes | None]", await client.mget([position_key(n) for n in wanted]))


async def in_redis(client: redis.asyncio.Redis, organization_id: bytes) -> int:
    """The sum of an organization's totals."""
    total = 0
    for n in range(EVENTS.partitions):
        for piece, cells in (await client.hgetall(totals_key(n))).items():
            if piece[:16] == organization_id:
                total += sum(cell.count for cell in decode_cells(cells))
    return total


def in_aggregates(clickhouse: Client, organization_id: bytes) -> Counts:
    """An organization's aggregates."""
    asked = (
        "SELECT toString(content_id), toString(platform), toString(kind), intDiv(toUInt32(minute), 60), count"
        " FROM engagement_minutes WHERE organization_id = {organization:UUID}"
    )
    rows = clickhouse.query(asked, {"organization": UUID(bytes=organization_id)}).result_rows
    return {(content, platform, kind, minute): count for content, platform, kind, minute, count in rows}


def in_ledger(clickhouse: Client, organization_id: bytes) -> int:
    """How many events of an organization the ledger has."""
    asked = "SELECT count() FROM engagement_events WHERE organization_id = {organization:UUID}"
    return int(clickhouse.query(asked, {"organization": UUID(bytes=organization_id)}).result_rows[0][0])


def of_its_own(of: data.Happened) -> data.Happened:
    """The same in an organization that no other run has: runs of one seed share log and tables, and are told apart."""
    return replace(of, organization_id=secrets.token_bytes(16))


def differences(expected: Counts, aggregates: Counts, sums: dict[str, int]) -> list[str]:
    """Where a store does not have what happened; of the aggregates the first few cells."""
    cells = sorted(cell for cell in expected.keys() | aggregates.keys() if expected.get(cell) != aggregates.get(cell))
    told = [f"{name}: {found}, not {sum(expected.values())}" for name, found in sums.items()]
    told += [f"aggregates: {len(cells)} of {len(expected)} cells differ"]
    return told + [f"  {cell}: {aggregates.get(cell)}, not {expected.get(cell)}" for cell in cells[:SHOWN]]


@contextmanager
def _standing_still(pids: list[int]) -> Iterator[None]:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


async def main() -> None:
    """Fill, count, compare, tell."""
    told = task()
    at = told["environment"]
    kafka_url = at["TALLYWIRE_KAFKA_URL"]
    client = wire.redis.client(SecretStr(at["TALLYWIRE_REDIS_URL"]), timeout_s=30)
    clickhouse = wire.clickhouse.client(SecretStr(at["TALLYWIRE_CLICKHOUSE_URL"]))
    now_ms = int(time.time() * 1000)
    of = of_its_own(data.happened(told["events"], told["pieces"], seed=told["seed"], until_ms=now_ms))
    warm = data.happened(
        told.get("workers", 1) * min(WARM, told["events"]), told["pieces"], seed=secrets.randbits(32), until_ms=now_ms
    )
    with ExitStack() as all_of_them:
        workers = [all_of_them.enter_context(worker(told)).pid for _ in range(told.get("workers", 1))]
        with _standing_still(workers):
            await append(kafka_url, warm, 1_000)
        await counted(client, kafka_url)
        await settled(clickhouse, kafka_url)
        await asyncio.sleep(told["merges_s"])
        with _standing_still(workers):
            envelopes = await append(kafka_url, of, told["envelope_events"])
        stores = {name: [told["pids"][name]] for name in ("clickhouse", "valkey")}
        pids = {"worker": workers, **stores}
        before, start = {name: cpu_seconds(of_name) for name, of_name in pids.items()}, time.perf_counter()
        await counted(client, kafka_url)
        wall_seconds = time.perf_counter() - start
        await settled(clickhouse, kafka_url)
        await asyncio.sleep(told["merges_s"])
        spent = {name: cpu_seconds(of_name) - before[name] for name, of_name in pids.items()}
        rss = sum(map(rss_mb, workers))
    expected, aggregates = data.counts(of), in_aggregates(clickhouse, of.organization_id)
    sums = {
        "ledger": in_ledger(clickhouse, of.organization_id),
        "redis": await in_redis(client, of.organization_id),
    }
    exact = aggregates == expected and all(found == len(of) for found in sums.values())
    if not exact:
        print("\n".join(differences(expected, aggregates, sums)), file=sys.stderr)
    await client.aclose()
    clickhouse.close()
    seconds = {"cpu_seconds": sum(spent.values()), "wall_seconds": wall_seconds, "of": spent}
    more = {**sums, "digest": digest(aggregates), "envelopes": envelopes, "rss_mb": rss}
    tell(len(of), seconds, "tallywire", "pyarrow", "numpy", "numba", equal=exact, **more)


if __name__ == "__main__":
    asyncio.run(main())
