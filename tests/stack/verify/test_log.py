"""A log with duplicates, counted by the streams, is read once more; then its ledger is broken in every way."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from clickhouse_connect.driver.client import Client
from pydantic import SecretStr

import wire.clickhouse
import wire.kafka
import wire.redis
from stack.figures import Stores
from stack.log import check as log_check
from stack.log import stretches
from stack.log.reading import Log, opened
from stack.log.stretches import Read
from stack.verify import LOG, Difference, Outcome, Patience
from streams import positions
from streams.doors import Doors
from streams.engagement import EngagementProcessor
from streams.messages import Message, position
from tests.databases import migrated_clickhouse
from tests.streams.test_engagement import make_log
from wire.ids import id_at, time_ms
from wire.topics import EVENTS, Topic

REDIS_DATABASE = 11
A_ROW = "SELECT content_id, id, position FROM engagement_events ORDER BY position, id LIMIT 1"


@dataclass
class Counted:
    """A log of a topic of its own, which the streams have counted."""

    clickhouse: Client
    stores: Stores
    log: Log
    doors: Doors
    producer: AIOKafkaProducer
    topic: Topic
    epoch: int
    events: int = 0

    async def produce(self, messages: dict[int, list[Message]]) -> None:
        for of, each in messages.items():
            for message in each:
                kept = await self.producer.send_and_wait(self.topic.name, message.value, partition=of)
                assert kept.offset == message.offset

    async def count(self, messages: dict[int, list[Message]], start: int, end: int) -> None:
        """Messages from one offset of each partition to before another."""
        worker = EngagementProcessor()
        await worker.start(self.doors)
        at = {of: min(start, len(each)) for of, each in messages.items()}
        await worker.assigned({of: position(self.epoch, offset) for of, offset in at.items()})
        part = {of: each[start:end] for of, each in messages.items()}
        await worker.process([self.of_this_log(message) for each in part.values() for message in each])
        reached = {of: at[of] + len(each) for of, each in part.items()}
        await positions.store(self.clickhouse, self.topic.name, self.epoch, reached)

    def of_this_log(self, message: Message) -> Message:
        return Message(
            *(message.topic, message.partition, message.offset, position(self.epoch, message.offset)),
            *(message.key, message.value, message.timestamp_ms),
        )

    async def check(self, read: Read | None = None) -> Outcome:
        return await log_check.check(self.log, self.stores, read or Read(), Patience(0), every=True)

    def put_again(self, id_: UUID, **other: Any) -> None:
        """A row of the ledger once more, with something else in it; it takes the place of the first."""
        found = self.clickhouse.query("SELECT * FROM engagement_events WHERE id = {id:UUID}", {"id": id_})
        row = dict(zip(found.column_names, found.result_rows[0], strict=True)) | other
        if "id" not in other:
            self.clickhouse.command("DELETE FROM engagement_events WHERE id = {id:UUID}", {"id": id_})
        self.clickhouse.insert("engagement_events", [list(row.values())], list(row))


@pytest.fixture
async def counted(servers: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Counted]:
    topic = Topic(f"engagement.events.{uuid4().hex[:8]}", EVENTS.partitions, "a test's own")
    monkeypatch.setattr(stretches, "EVENTS", topic)
    monkeypatch.setattr(stretches, "MESSAGES", 4)
    monkeypatch.setattr(log_check, "EVENTS", topic)
    monkeypatch.setattr(log_check, "COUNTED", (topic,))
    kafka = SecretStr(servers.kafka_url)
    async with AsyncExitStack() as doors:
        url = doors.enter_context(migrated_clickhouse(servers.clickhouse_url))
        clickhouse = wire.clickhouse.client(url)
        doors.callback(clickhouse.close)
        asking = await wire.clickhouse.async_client(url)
        doors.push_async_callback(asking.close)
        store = wire.redis.client(SecretStr(f"{servers.redis_url}/{REDIS_DATABASE}"))
        doors.push_async_callback(store.aclose)
        await store.flushdb()
        epoch = await wire.kafka.ensure_topics(kafka)
        topics = AIOKafkaAdminClient(bootstrap_servers=wire.kafka.bootstrap(kafka))
        await topics.start()
        await topics.create_topics([NewTopic(topic.name, topic.partitions, 1)])
        await topics.close()
        producer = await wire.kafka.producer(kafka)
        doors.push_async_callback(producer.stop)
        log = await doors.enter_async_context(opened(kafka))
        its = Doors(clickhouse, store, producer, lambda: 1_800_000_000.0)
        yield Counted(clickhouse, Stores(asking, store, None), log, its, producer, topic, epoch)  # type: ignore[arg-type]  # the log needs no PostgreSQL


@pytest.fixture
async def messages(counted: Counted) -> dict[int, list[Message]]:
    """Envelopes with duplicates within and across them, all counted, and in each partition one that does not decode."""
    log, figures = make_log(uuid4(), random.Random(7))
    for of, each in log.items():
        each.append(Message(EVENTS.name, of, len(each), 0, None, b"no envelope", 0))
    counted.events = sum(count for count, _, _ in figures.values())
    await counted.produce(log)
    await counted.count(log, 0, 1000)
    return log


async def test_a_ledger_that_is_what_the_log_says_is_equal_and_every_event_was_looked_at(
    counted: Counted, messages: dict[int, list[Message]]
) -> None:
    outcome = await counted.check()
    assert (outcome.differences, outcome.waiting) == ([], 0)
    assert outcome.compared[LOG] == counted.events


async def lose_a_row(counted: Counted, id_: UUID) -> tuple[Any, ...]:
    counted.clickhouse.command("DELETE FROM engagement_events WHERE id = {id:UUID}", {"id": id_})
    return (1,), ()


async def change_a_row(counted: Counted, id_: UUID) -> tuple[Any, ...]:
    counted.put_again(id_, value=123_456_789)
    return (1,), (1,)


async def add_a_row(counted: Counted, id_: UUID) -> tuple[Any, ...]:
    counted.put_again(id_, id=id_at(time_ms(id_), "added"))
    return (), (1,)


async def change_an_actor(counted: Counted, id_: UUID) -> tuple[Any, ...]:
    counted.put_again(id_, actor="somebody else")
    return (1,), (1,)


Break = Callable[[Counted, UUID], Awaitable[tuple[Any, ...]]]


@pytest.mark.parametrize("break_it", [lose_a_row, change_a_row, add_a_row, change_an_actor])
async def test_a_row_that_is_wrong_in_the_ledger_is_named(
    counted: Counted, messages: dict[int, list[Message]], break_it: Break
) -> None:
    remembered = Read()
    assert not (await counted.check(remembered)).differences
    (row,) = counted.clickhouse.query(A_ROW).result_rows
    said, held = await break_it(counted, UUID(str(row[1])))

    for read in (Read(), remembered):
        first: Difference = (await counted.check(read)).differences[0]
        assert (first.pair, first.place.counter.piece[1]) == (LOG, UUID(str(row[0])))
        assert (first.expected[:1], first.found[:1]) == (said, held)
        assert f"{counted.topic.name}/" in first.note
        if break_it is not add_a_row:
            assert str(row[1]) in first.note


async def test_what_is_in_the_log_and_not_counted_is_said_and_the_rest_compared(counted: Counted) -> None:
    log, _ = make_log(uuid4(), random.Random(8))
    await counted.produce(log)
    read = Read()
    outcome = await counted.check(read)
    assert (outcome.waiting, outcome.compared[LOG], outcome.differences) == (sum(map(len, log.values())), 0, [])
    for start, end in ((0, 3), (3, 5), (5, 1000)):
        await counted.count(log, start, end)
        outcome = await counted.check(read)
        assert outcome.waiting == sum(max(0, len(each) - end) for each in log.values())
        assert not outcome.differences
    assert outcome.compared[LOG] == (await counted.check()).compared[LOG]
    held = await asyncio.to_thread(counted.clickhouse.query, "SELECT count() FROM engagement_events")
    assert outcome.compared[LOG] == held.result_rows[0][0]
    left = counted.clickhouse.query("SELECT name FROM system.tables WHERE name LIKE 'log_read_%'").result_rows
    assert not left
