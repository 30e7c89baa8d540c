"""The ledger's bare insert rate: the same columns from Arrow, ready and in the ledger's order, and nothing else."""

import asyncio
import time

import numpy as np
from pydantic import SecretStr

import wire.clickhouse
from benchmarks import data
from benchmarks.contenders.result import task, tell
from benchmarks.contenders.stages import messages
from benchmarks.contenders.tallywire_streams import in_ledger
from benchmarks.processes import cpu_seconds
from streams import envelopes
from streams.buckets import Buckets
from wire.topics import EVENTS


async def main() -> None:
    """Make the rows, then insert them."""
    told = task()
    of = data.happened(told["events"], told["pieces"], seed=told["seed"], until_ms=int(time.time() * 1000))
    platforms = envelopes.Platforms()
    values = messages(list(data.envelopes(of, 1_000, EVENTS.partitions)))
    buckets, tables = Buckets(0, np.empty((0, 4), np.uint64)), []
    for at in range(0, len(values), told["insert_rows"] // 1_000):
        events, _ = envelopes.read(values[at : at + told["insert_rows"] // 1_000], EVENTS.partitions, platforms)
        counted = buckets.count(events.batch, buckets.missing(events.batch).places)
        tables.append(envelopes.ledger_rows(events, counted, platforms))
    clickhouse = wire.clickhouse.client(SecretStr(told["environment"]["TALLYWIRE_CLICKHOUSE_URL"]))
    pids = [told["pids"]["clickhouse"]]
    before, start = time.process_time() + cpu_seconds(pids), time.perf_counter()
    for table in tables:
        clickhouse.insert_arrow("engagement_events", table)
    wall_seconds = time.perf_counter() - start
    await asyncio.sleep(told["merges_s"])
    spent = time.process_time() + cpu_seconds(pids) - before
    stored = in_ledger(clickhouse, of.organization_id)
    tell(
        len(of),
        {"cpu_seconds": spent, "wall_seconds": wall_seconds},
        "clickhouse-connect",
        "chdb",
        equal=stored == len(of),
    )
    clickhouse.close()


if __name__ == "__main__":
    asyncio.run(main())
