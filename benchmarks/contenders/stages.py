"""Where an event's time goes: each step of the path by itself, on the same events, in nanoseconds of CPU an event.

Steps that work in a store count the store's process as well. The steps are the path's own functions, called as it calls
them, one after the other; what holds them together (HTTP, Faust) is what the rows of the whole path cost on top.
"""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any, Final
from uuid import UUID

import msgspec
import numpy as np
import pyarrow as pa
from pydantic import SecretStr

import wire.clickhouse
import wire.kafka
import wire.redis
from benchmarks import data, log
from benchmarks.contenders.result import task, tell
from benchmarks.processes import cpu_seconds
from ingestion import parse
from ingestion.columns import Columns, Cut, cut
from ingestion.validate import Sent, validate
from streams import envelopes
from streams.buckets import Counted
from streams.doors import Doors
from streams.findings import found, payload
from streams.messages import Message, position
from streams.sinks.counters import Counters, updates
from streams.sinks.ledger import Ledger
from wire import memory
from wire.topics import EVENTS

MESSAGES_A_STEP: Final = 200
EPOCH: Final = 1_790_000_000


class Stages:
    """Seconds of CPU by stage: this process's, and of the stores named by their pids."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._pids = list(pids)
        self.seconds: dict[str, float] = {}

    def timed(self, name: str, work: Callable[[], Any], *, stored: bool = False) -> Any:
        """Do a piece of work of a stage."""
        before = self._now(stored)
        answer = work()
        self._add(name, before, stored)
        return answer

    async def awaited(self, name: str, work: Callable[[], Awaitable[Any]]) -> Any:
        """The same for work that waits for a store."""
        before = self._now(stored=True)
        answer = await work()
        self._add(name, before, stored=True)
        return answer

    def _now(self, stored: bool) -> float:
        return time.process_time() + (cpu_seconds(self._pids) if stored else 0.0)

    def _add(self, name: str, before: float, stored: bool) -> None:
        self.seconds[name] = self.seconds.get(name, 0.0) + self._now(stored) - before


def accept(stages: Stages, of: data.Happened, batch: int, group: int) -> list[Columns]:
    """Bodies of `batch` events -> columns of `group` requests each, as a collector does."""
    events = data.posted(of)
    bodies = [msgspec.json.encode(events[at : at + batch]) for at in range(0, len(events), batch)]
    organization_id, now_ms = UUID(bytes=of.organization_id), int(time.time() * 1000)
    accepted = []
    for at in range(0, len(bodies), group):
        parsed = [stages.timed("parse", partial(parse.parse, body, lines=False)) for body in bodies[at : at + group]]
        sent = [Sent(organization_id, one, now_ms, history=False, unknown=frozenset()) for one in parsed]
        made, refused = stages.timed("validate", partial(validate, sent))
        assert not any(refused), refused[:3]
        accepted.append(made)
    return accepted


def cuts_of(group: Columns) -> list[Cut]:
    """A group's envelopes."""
    return list(cut(group, EVENTS.partitions))


async def log_of(stages: Stages, accepted: list[Columns], kafka_url: str) -> list[tuple[int, bytes]]:
    """Columns -> envelopes in the log."""
    producer = await wire.kafka.producer(SecretStr(kafka_url))
    told: list[tuple[int, bytes]] = []
    for group in accepted:
        made = [(each.partition, each.data) for each in stages.timed("encode", partial(cuts_of, group))]
        before = time.process_time()
        await asyncio.gather(*(producer.send_and_wait(EVENTS.name, value, partition=to) for to, value in made))
        stages.seconds["produce"] = stages.seconds.get("produce", 0.0) + time.process_time() - before
        told += made
    await producer.stop()
    return told


def messages(values: list[tuple[int, bytes]]) -> list[Message]:
    """As a consumer gives them to a processor."""
    offsets, now_ms = [0] * EVENTS.partitions, int(time.time() * 1000)
    made = []
    for partition, value in values:
        at = offsets[partition]
        made.append(Message(EVENTS.name, partition, at, position(EPOCH, at), None, value, now_ms))
        offsets[partition] += 1
    return made


class Counting:
    """The steps of `EngagementProcessor`, each timed."""

    def __init__(self, doors: Doors, stages: Stages) -> None:
        self._stages = stages
        self._platforms = envelopes.Platforms()
        self._ledger = Ledger(doors.clickhouse, self._platforms)
        self._counters = Counters(doors.redis)
        self._doors = doors
        self._written = {n: position(EPOCH, 0) for n in range(EVENTS.partitions)}

    async def start(self) -> None:
        """An empty state."""
        self._buckets = await self._ledger.begin()

    async def step(self, some: list[Message]) -> Counted:
        """Count some messages."""
        timed = self._stages.timed
        events, _ = timed("decode", lambda: envelopes.read(some, EVENTS.partitions, self._platforms))
        missing = timed("dedup, count", lambda: self._buckets.missing(events.batch))
        await self._ledger.load(self._buckets, missing, np.zeros(EVENTS.partitions, np.uint64))
        counted: Counted = timed("dedup, count", lambda: self._buckets.count(events.batch, missing.places))
        rows = timed("ledger: rows", lambda: envelopes.ledger_rows(events, counted, self._platforms))
        await self._stages.awaited("ledger: insert", lambda: self._ledger.insert(rows))
        await self._stages.awaited("aggregates", lambda: self._ledger.aggregate(counted, generation=0))
        changed = timed("Redis: cells", lambda: updates(counted, self._platforms, self._doors.now()))
        reached = {one.partition: one.position + 1 for one in some}
        await self._stages.awaited("Redis: write", lambda: self._advance(changed, reached))
        timed("findings", lambda: payload(found(counted, changed, generation=0).values()))
        return counted

    async def _advance(self, changed: dict[int, Any], reached: dict[int, int]) -> None:
        for partition, update in changed.items():
            await self._counters.advance(partition, self._written[partition], reached[partition], update)
            self._written[partition] = reached[partition]


async def fetch(stages: Stages, kafka_url: str, starts: dict[int, int]) -> None:
    """Read the log back."""
    ends = await log.ends(kafka_url, EVENTS.name, EVENTS.partitions)
    before = time.process_time()
    await log.values(kafka_url, EVENTS.name, starts, ends)
    stages.seconds["fetch"] = time.process_time() - before


async def main() -> None:
    """Every stage; a first pass over other events warms them up."""
    memory.keep()
    pa.set_memory_pool(pa.system_memory_pool())  # both as a worker does
    told = task()
    at = told["environment"]
    redis = wire.redis.client(SecretStr(at["TALLYWIRE_REDIS_URL"]), timeout_s=30)
    await redis.flushdb()
    clickhouse = wire.clickhouse.client(SecretStr(at["TALLYWIRE_CLICKHOUSE_URL"]))
    producer = await wire.kafka.producer(SecretStr(at["TALLYWIRE_KAFKA_URL"]))
    doors = Doors(clickhouse, redis, producer, time.time)
    pids = [told["pids"]["clickhouse"], told["pids"]["valkey"]]
    starts = await log.ends(at["TALLYWIRE_KAFKA_URL"], EVENTS.name, EVENTS.partitions)
    now_ms, start = int(time.time() * 1000), time.perf_counter()
    for stages, events in ((Stages(pids), 20_000), (Stages(pids), told["events"])):
        of = data.happened(events, told["pieces"], seed=secrets.randbits(32), until_ms=now_ms)
        accepted = accept(stages, of, told["batch"], told["group"])
        values = await log_of(stages, accepted, at["TALLYWIRE_KAFKA_URL"])
        if events == told["events"]:
            await fetch(stages, at["TALLYWIRE_KAFKA_URL"], starts)
        await redis.flushdb()
        counting = Counting(doors, stages)
        await counting.start()
        fresh = 0
        read = messages(values)
        for first in range(0, len(read), MESSAGES_A_STEP):
            fresh += int((await counting.step(read[first : first + MESSAGES_A_STEP])).fresh.sum())
        assert fresh == events, f"{fresh} of {events} were counted"
    ns = {name: seconds / told["events"] * 1e9 for name, seconds in stages.seconds.items()}
    spent = {"cpu_seconds": sum(stages.seconds.values()), "wall_seconds": time.perf_counter() - start}
    tell(told["events"], spent, "tallywire", ns=ns, envelope_events=told["events"] / len(values))
    await producer.stop()
    await redis.aclose()


if __name__ == "__main__":
    asyncio.run(main())
