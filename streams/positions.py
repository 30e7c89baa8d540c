"""Where each partition goes on: kept in ClickHouse, beside the ledger, so that the two can only be lost together."""

import asyncio
from collections.abc import Mapping

from clickhouse_connect.driver.client import Client

from streams.retry import until_done
from streams.sql import question


async def load(clickhouse: Client, topic: str, epoch: int) -> dict[int, int]:
    """Partition -> next offset; a partition that never was stored is absent."""

    async def ask() -> dict[int, int]:
        found = await asyncio.to_thread(clickhouse.query, question("positions"), {"topic": topic, "epoch": epoch})
        return {int(partition): int(offset) for partition, offset in found.result_rows}

    return await until_done("positions", ask)


async def store(clickhouse: Client, topic: str, epoch: int, next_offsets: Mapping[int, int]) -> None:
    """Store the next offsets; of two workers the one that is further on wins."""
    rows = [(topic, epoch, partition, offset) for partition, offset in next_offsets.items()]
    names = ["topic", "epoch", "partition", "next_offset"]
    types = ["LowCardinality(String)", "UInt32", "UInt16", "UInt64"]

    async def insert() -> None:
        await asyncio.to_thread(clickhouse.insert, "stream_positions", rows, names, column_type_names=types)

    await until_done("positions", insert)
