"""The engine alone, with every sink on: cost per event by how many pieces of content there are, and partitions.

Envelopes are in memory, so that Kafka's part, which does not depend on either, stays out.
"""

import asyncio
import secrets
import time

import pyarrow as pa
from pydantic import SecretStr

import wire.clickhouse
import wire.kafka
import wire.redis
from benchmarks import data
from benchmarks.contenders.result import task, tell
from benchmarks.contenders.stages import EPOCH, MESSAGES_A_STEP, messages
from benchmarks.processes import cpu_seconds
from streams.doors import Doors
from streams.engagement import EngagementProcessor
from streams.messages import position
from wire import memory
from wire.topics import EVENTS


async def main() -> None:
    """Count it all, after as many other events: then the code is warm, and the memory for a flush is there."""
    memory.keep()
    pa.set_memory_pool(pa.system_memory_pool())  # both as a worker does
    told = task()
    object.__setattr__(EVENTS, "partitions", told["partitions"])  # everyone on the path shares this one
    at = told["environment"]
    redis = wire.redis.client(SecretStr(at["TALLYWIRE_REDIS_URL"]), timeout_s=30)
    await redis.flushdb()
    producer = await wire.kafka.producer(SecretStr(at["TALLYWIRE_KAFKA_URL"]))
    doors = Doors(wire.clickhouse.client(SecretStr(at["TALLYWIRE_CLICKHOUSE_URL"])), redis, producer, time.time)
    engine = EngagementProcessor()
    await engine.start(doors)
    now_ms, pids = int(time.time() * 1000), [told["pids"]["clickhouse"], told["pids"]["valkey"]]
    before = start = 0.0
    for _ in range(2):
        of = data.happened(told["events"], told["pieces"], seed=secrets.randbits(32), until_ms=now_ms)
        read = messages(list(data.envelopes(of, told["envelope_events"], EVENTS.partitions)))
        await redis.flushdb()
        await engine.assigned({n: position(EPOCH, 0) for n in range(EVENTS.partitions)})
        before, start = time.process_time() + cpu_seconds(pids), time.perf_counter()
        for first in range(0, len(read), MESSAGES_A_STEP):
            await engine.process(read[first : first + MESSAGES_A_STEP])
        await engine.settle()
    wall_seconds = time.perf_counter() - start
    spent = time.process_time() + cpu_seconds(pids) - before
    tell(told["events"], {"cpu_seconds": spent, "wall_seconds": wall_seconds}, "tallywire", touched=int(touched(of)))
    await producer.stop()
    await redis.aclose()


def touched(of: data.Happened) -> int:
    """How many pieces had events."""
    return len(set(of.content.tolist()))


if __name__ == "__main__":
    asyncio.run(main())
