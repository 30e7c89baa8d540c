"""`python -m streams`: every processor, until SIGTERM."""

import asyncio
import sys
import time
from functools import partial
from pathlib import Path

import faust
import pyarrow as pa
import redis.asyncio
from aiokafka import AIOKafkaProducer
from clickhouse_connect.driver.client import Client

import wire.clickhouse
import wire.kafka
import wire.redis
from streams.app import build
from streams.content import ContentProcessor
from streams.doors import Doors
from streams.engagement import EngagementProcessor
from streams.rejections import RejectionsProcessor
from streams.retry import until_done
from streams.runner import Runner
from streams.snapshots import SnapshotsProcessor
from streams.stretches import Stretches
from wire import memory, telemetry
from wire.settings import Settings, settings
from wire.topics import Topic


class _Shared:
    """The clients that all processors share, opened when the first of them starts."""

    def __init__(self, of: Settings) -> None:
        self._settings = of
        self._opening = asyncio.Lock()
        self._doors: Doors | None = None

    async def doors(self) -> Doors:
        async with self._opening:
            if self._doors is None:
                clickhouse = await until_done("clickhouse", self._clickhouse)
                producer: AIOKafkaProducer = await until_done(
                    "kafka", partial(wire.kafka.producer, self._settings.kafka_url)
                )
                client: redis.asyncio.Redis = wire.redis.client(self._settings.redis_url)
                self._doors = Doors(clickhouse, client, producer, time.time)
            return self._doors

    async def close(self) -> None:
        if self._doors is not None:
            await self._doors.producer.stop()
            await self._doors.redis.aclose()
            await asyncio.to_thread(self._doors.clickhouse.close)

    async def epoch(self) -> int:
        return await until_done("topics", partial(wire.kafka.ensure_topics, self._settings.kafka_url))

    async def _clickhouse(self) -> Client:
        return await asyncio.to_thread(wire.clickhouse.client, self._settings.clickhouse_url)


def main() -> None:
    """Work until SIGTERM or SIGINT; exit 70 means that a processor failed and wants to be started again."""
    memory.keep()
    pa.set_memory_pool(
        pa.system_memory_pool()
    )  # Arrow's own would give back between two flushes what each of them needs
    log = telemetry.start("streams")
    mine = settings()
    mine.state_dir.mkdir(parents=True, exist_ok=True)
    ready = mine.state_dir / f"{mine.worker_name}.ready"

    def marker(topic: Topic) -> Path:
        return mine.state_dir / f"{mine.worker_name}.stopped.{topic.name}"

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    shared = _Shared(mine)
    engagement = EngagementProcessor(max_bytes=mine.streams_state_bytes)
    runners = [
        Runner(
            each, shared.doors, shared.epoch, Stretches(each.topic.name, mine.streams_bad_in_a_row, marker(each.topic))
        )
        for each in (engagement, SnapshotsProcessor(), RejectionsProcessor(), ContentProcessor())
    ]
    app = build(mine, runners, on_assigned=ready.touch, on_stopped=shared.close, broker_answers=shared.epoch)
    log.info("starting", worker=mine.worker_name)
    memory.look_seldom()
    worker = faust.Worker(app, loop=loop, loglevel="WARN", override_logging=False, redirect_stdouts=False, quiet=True)
    sys.exit(worker.execute_from_commandline())


if __name__ == "__main__":
    main()
