"""No framework: aiokafka, orjson and a dict. No state that survives, no duplicates noticed, no sinks."""

import asyncio
from collections import defaultdict

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from benchmarks.contenders.result import Clock, digest, task, tell

TASK = task()


async def main() -> None:
    """Count until the last event."""
    consumer = AIOKafkaConsumer(bootstrap_servers=TASK["kafka"], max_partition_fetch_bytes=4 << 20)
    counts: defaultdict[tuple[str, str, str, int], int] = defaultdict(int)
    await consumer.start()
    consumer.assign([TopicPartition(TASK["topic"], n) for n in range(TASK["partitions"])])
    await consumer.seek_to_beginning()
    clock, seen = None, 0
    while seen < TASK["events"]:
        for records in (await consumer.getmany(timeout_ms=500, max_records=5_000)).values():
            clock = clock or Clock()
            seen += len(records)
            for record in records:
                event = orjson.loads(record.value)
                counts[event["content_id"], event["platform"], event["kind"], event["at_ms"] // 60_000] += 1
    assert clock is not None
    tell(seen, clock.read(), "aiokafka", "orjson", digest=digest(counts))
    await consumer.stop()


if __name__ == "__main__":
    asyncio.run(main())
