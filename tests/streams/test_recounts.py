"""A recount that is killed once it has swapped the aggregates: whoever counts carries the rest everywhere."""

import asyncio
import random
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from clickhouse_connect.driver.exceptions import DatabaseError
from pydantic import SecretStr

import wire.clickhouse
import wire.kafka
from stack.recount.aggregates import Aggregates
from stack.recount.selection import Selection
from streams import positions, recounts
from streams.doors import Doors
from streams.messages import Message
from streams.recounts import RECOUNTS
from tests.databases import migrated_clickhouse
from tests.streams.test_engagement import NOW_MS, Event, Figures, begin, figures_of, make_log, message, totals_of
from wire import counters, ids
from wire.commands import RECORD_ENGAGEMENT, Command, Engagement, RecordEngagement, figures_version
from wire.topics import EVENTS, FINDINGS

ALL = dict.fromkeys(range(EVENTS.partitions), 0)


@pytest.fixture
def here(servers: Any, doors: Doors) -> Iterator[Doors]:
    """Aggregates that nobody else counts in."""
    with migrated_clickhouse(servers.clickhouse_url) as url:
        clickhouse = wire.clickhouse.client(url)
        yield replace(doors, clickhouse=clickhouse)
        clickhouse.close()


async def told(servers: Any, organization: UUID) -> dict[UUID, Engagement]:
    """What PostgreSQL is told last of each piece."""
    consumer = AIOKafkaConsumer(bootstrap_servers=wire.kafka.bootstrap(SecretStr(servers.kafka_url)))
    await consumer.start()
    places = [TopicPartition(FINDINGS.name, partition) for partition in range(FINDINGS.partitions)]
    consumer.assign(places)
    await consumer.seek_to_beginning()
    ends, records = await consumer.end_offsets(places), []
    while any([await consumer.position(place) < end for place, end in ends.items()]):
        records += [record for some in (await consumer.getmany(timeout_ms=200)).values() for record in some]
    await consumer.stop()
    commands = [msgspec.json.decode(record.value, type=Command) for record in records]
    found: dict[UUID, Engagement] = {}
    for command in commands:
        if command.type == RECORD_ENGAGEMENT:
            for each in msgspec.json.decode(command.payload, type=RecordEngagement).updates:
                before = found.get(each.content_id)
                if each.organization_id == organization and (not before or before.version < each.version):
                    found[each.content_id] = each
    return found


async def carried(doors: Doors, generation: int, partitions: set[int]) -> None:
    """Returns when all is told in just these partitions."""
    expected, end = dict.fromkeys(partitions, generation), time.monotonic() + 10
    while (found := await positions.load(doors.clickhouse, RECOUNTS, 0)) != expected:
        assert time.monotonic() < end, found
        await asyncio.sleep(0.05)


def recounted(doors: Doors, *unknown: tuple[UUID, UUID]) -> None:
    """A recount that does no more than that."""
    Aggregates(doors.clickhouse).recount(Selection(), unknown)


def spoil(doors: Doors, organization: UUID, content: UUID) -> None:
    names = ["organization_id", "content_id", "minute", "platform", "kind", "count"]
    doors.clickhouse.insert("engagement_minutes", [[organization, content, NOW_MS // 1000, "web", "view", 999]], names)


def sums(figures: Figures) -> dict[UUID, dict[tuple[str, str], tuple[int, ...]]]:
    found: dict[UUID, dict[tuple[str, str], tuple[int, ...]]] = {}
    for (content, _, platform, kind), figure in figures.items():
        cells = found.setdefault(content, {})
        cells[platform, kind] = tuple(map(sum, zip(cells.get((platform, kind), (0, 0, 0)), figure, strict=True)))
    return found


@pytest.mark.parametrize("how", ["nothing comes", "they begin", "events come"])
async def test_workers_carry_on_what_a_recount_left(
    servers: Any, here: Doors, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recounts, "_PIECES_A_PAGE", 2)
    organization, never = uuid4(), uuid4()
    log, expected = make_log(organization, random.Random(1))
    totals, halves = sums(expected), [{p: 0 for p in ALL if p % 2 == half} for half in (0, 1)]
    logs = [[each for p in half for each in log.get(p, [])] for half in halves]
    left = 3 if how == "events come" else 0
    workers = [await begin(here, half) for half in halves]
    for worker, its in zip(workers, logs, strict=True):
        await worker.process(its[: len(its) - left])
        await worker.settle()
    for content in totals:
        spoil(here, organization, content)
        of, piece = counters.partition_of(content), counters.piece_field(organization, content)
        await here.redis.hset(counters.totals_key(of), piece, b"[]")

    recounted(here, (organization, never))
    for worker, half, its in zip(workers, halves, logs, strict=True):
        if how == "they begin":
            await begin(here, {p: len(log.get(p, [])) for p in half})
        elif how == "events come":
            await worker.process(its[-left:])
            await worker.settle()
        await worker.tend()
        await carried(here, 1, {p for each in halves[: halves.index(half) + 1] for p in each})

    assert await figures_of(here, "engagement_minutes", organization) == expected
    assert await totals_of(here, organization) == {
        counters.piece_field(organization, content): {counters.Cell(*at, *figure) for at, figure in cells.items()}
        for content, cells in totals.items()
    }
    known = await told(servers, organization)
    assert known.keys() == {*totals, never}
    assert (known[never].version, known[never].cells) == (figures_version(1, 0), ())
    for content, cells in totals.items():
        assert known[content].version == figures_version(1, sum(count for count, *_ in cells.values()))
        assert {(c.platform, c.kind): (c.count, c.robots, c.value) for c in known[content].cells} == cells


async def test_what_was_counted_after_the_hold_had_lapsed_and_before_the_swap_is_not_lost(here: Doors) -> None:
    organization = uuid4()
    log, expected = make_log(organization, random.Random(2))
    early = [each for p in log for each in log[p][:2]]
    late = [each for p in log for each in log[p][2:]]
    worker, loop = await begin(here, ALL), asyncio.get_running_loop()
    await worker.process(early)

    def lapse(step: str) -> None:
        if step == "swap":
            here.clickhouse.command("ALTER TABLE engagement_minutes DROP CONSTRAINT held")
            asyncio.run_coroutine_threadsafe(worker.process(late), loop).result()

    await asyncio.to_thread(Aggregates(here.clickhouse).recount, Selection(), [], lapse)
    assert await figures_of(here, "engagement_minutes", organization) != expected
    await worker.tend()
    assert await figures_of(here, "engagement_minutes", organization) == expected


async def test_of_two_recounts_at_once_the_later_one_alone_swaps_and_nothing_is_left(here: Doors) -> None:
    organization = uuid4()
    log, expected = make_log(organization, random.Random(3))
    worker = await begin(here, ALL)
    await worker.process([each for p in log for each in log[p]])
    first, second = Aggregates(here.clickhouse), Aggregates(here.clickhouse)

    def lose(step: str) -> None:
        if step == "swap":
            assert second.recount(Selection(), []) == 1

    with pytest.raises(DatabaseError):
        first.recount(Selection(), [], lose)
    assert second.generation() == 1
    await worker.tend()
    assert await figures_of(here, "engagement_minutes", organization) == expected
    tables = [name for (name,) in here.clickhouse.query("SHOW TABLES").result_rows]
    assert not [name for name in tables if name.startswith("engagement_minutes_")]


async def test_counters_that_were_further_on_than_what_is_counted_again_come_to_the_new_generation(
    here: Doors,
) -> None:
    organization, content = uuid4(), UUID(int=7)
    of, piece = ids.partition(content, EVENTS.partitions), counters.piece_field(organization, content)
    event = Event(content, ids.id_at(NOW_MS, "a"), "view", "web", robot=False, value=0)
    log: list[Message] = [message(organization, of, offset, [event]) for offset in range(3)]
    await (await begin(here, {of: 0})).process(log)  # it dies before it stores how far it came
    await here.redis.hset(counters.totals_key(of), piece, b"[]")

    recounted(here)
    worker = await begin(here, {of: 0})
    for each in log:
        await worker.process([each])
    await worker.tend()
    held = (await here.redis.get(counters.position_key(of))).decode()
    assert held.startswith("g000001.")
    assert (await totals_of(here, organization))[piece] == {counters.Cell("web", "view", 1, 0, 0)}
