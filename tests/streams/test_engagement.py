"""Ledger, aggregates and counters equal an independent count, over real stores, however the messages come."""

import asyncio
import random
import time
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pyarrow as pa
import pytest
from pydantic import SecretStr

import wire.redis
from streams.doors import Doors
from streams.engagement import EngagementProcessor
from streams.messages import Message, position
from tests.streams.conftest import every_finding
from wire import counters, envelope, ids
from wire.commands import RECORD_ENGAGEMENT, RecordEngagement
from wire.events import KINDS
from wire.topics import EVENTS

EPOCH = 1_780_000_000
NOW_MS = int(time.time()) // 60 * 60_000
"""Redis decides by its own clock which minutes it keeps."""


@dataclass(frozen=True)
class Event:
    content: UUID
    id: UUID
    kind: str
    platform: str
    robot: bool
    value: int


Figures = dict[tuple[UUID, int, str, str], tuple[int, int, int]]


def message(organization: UUID, partition: int, offset: int, events: list[Event]) -> Message:
    columns = {
        "organization_id": [organization.bytes] * len(events),
        "content_id": [e.content.bytes for e in events],
        "id": [e.id.bytes for e in events],
        "kind": [KINDS.index(e.kind) for e in events],
        "robot": [e.robot for e in events],
        "value": [e.value for e in events],
        "actor": [""] * len(events),
        "attributes": [""] * len(events),
        "received_at": [NOW_MS] * len(events),
    }
    arrays = [
        pa.array([e.platform for e in events], pa.string()).dictionary_encode().cast(field.type)
        if field.name == "platform"
        else pa.array(columns[field.name], field.type)
        for field in envelope.SCHEMA
    ]
    value = envelope.encode(pa.record_batch(arrays, schema=envelope.SCHEMA))
    return Message(EVENTS.name, partition, offset, position(EPOCH, offset), None, value, NOW_MS)


def make_log(organization: UUID, chance: random.Random) -> tuple[dict[int, list[Message]], Figures]:
    """Per partition its envelopes, with duplicates within and across them; and what they amount to."""
    contents = [UUID(int=chance.getrandbits(128)) for _ in range(5)]
    sent: list[Event] = []
    log: dict[int, list[Message]] = defaultdict(list)
    firsts: dict[tuple[UUID, UUID], Event] = {}
    for _ in range(40):
        content = chance.choice(contents)
        partition = ids.partition(content, EVENTS.partitions)
        events = []
        for _ in range(chance.randint(1, 8)):
            again = [e for e in sent if e.content == content]
            if again and chance.random() < 0.3:
                events.append(chance.choice(again))
                continue
            at = NOW_MS - chance.randint(0, 3) * 60_000
            made = ids.id_at(at, str(chance.random()))
            where = chance.choice(["web", "x"])
            events.append(
                Event(content, made, chance.choice(KINDS), where, chance.random() < 0.2, chance.randint(0, 9999))
            )
            sent.append(events[-1])
        for event in events:
            firsts.setdefault((event.content, event.id), event)
        log[partition].append(message(organization, partition, len(log[partition]), events))
    figures: Figures = {}
    for e in firsts.values():
        key = (e.content, ids.time_ms(e.id) // 60_000, e.platform, e.kind)
        count, robots, value = figures.get(key, (0, 0, 0))
        figures[key] = (count + 1, robots + e.robot, value + e.value)
    return log, figures


async def begin(doors: Doors, at: dict[int, int]) -> EngagementProcessor:
    worker = EngagementProcessor()
    await worker.start(doors)
    await worker.assigned({partition: position(EPOCH, offset) for partition, offset in at.items()})
    return worker


async def figures_of(doors: Doors, table: str, organization: UUID) -> Figures:
    count = (
        "count(), countIf(robot), sum(value)" if table == "engagement_events" else "sum(count), sum(robots), sum(value)"
    )
    found = await asyncio.to_thread(
        doors.clickhouse.query,
        f"SELECT content_id, intDiv(toUnixTimestamp(minute), 60), platform, kind, {count} FROM {table} "
        "WHERE organization_id = {organization:UUID} GROUP BY 1, 2, 3, 4",
        {"organization": organization},
    )
    return {(row[0], row[1], row[2], row[3]): (row[4], row[5], row[6]) for row in found.result_rows}


async def counters_of(doors: Doors, key: str, piece: bytes) -> dict[tuple[str, str], tuple[int, int, int]]:
    cells = await doors.redis.hget(key, piece)
    return {(c.platform, c.kind): (c.count, c.robots, c.value) for c in counters.decode_cells(cells)} if cells else {}


@pytest.mark.parametrize("seed", range(8))
async def test_crashes_zombies_duplicates_and_a_redis_emptied_or_turned_back_change_no_figure(
    doors: Doors, seed: int
) -> None:
    chance, organization = random.Random(seed), uuid4()
    log, expected = make_log(organization, chance)
    stored = dict.fromkeys(log, 0)
    worker, reached = await begin(doors, stored), dict(stored)
    zombies: list[tuple[EngagementProcessor, dict[int, int]]] = []
    saved: dict[bytes, bytes] = {}
    for _ in range(2000):
        if all(stored[p] == len(log[p]) for p in log):
            break
        batch = [m for p in log for m in log[p][reached[p] : reached[p] + chance.randint(0, 3)]]
        if batch:
            await worker.process(batch)
            for m in batch:
                reached[m.partition] = m.offset + 1
        fate = chance.random()
        if fate < 0.5:
            await worker.settle()
            stored.update(reached)
        elif fate < 0.75:
            zombies.append((worker, dict(reached)))
            worker, reached = await begin(doors, stored), dict(stored)
        elif fate < 0.8:
            await doors.redis.flushdb()
        elif fate < 0.85:
            saved = {key: await doors.redis.dump(key) for key in await doors.redis.keys()}
        elif fate < 0.9:
            await doors.redis.flushdb()
            for key, value in saved.items():
                await doors.redis.restore(key, 0, value)
        elif zombies:
            awake, its = chance.choice(zombies)
            await awake.process([m for p in log for m in log[p][its[p] : its[p] + 2]])
            its.update({p: min(its[p] + 2, len(log[p])) for p in log})

    await begin(doors, stored)
    assert await figures_of(doors, "engagement_events", organization) == expected
    assert await figures_of(doors, "engagement_minutes", organization) == expected
    for content in {key[0] for key in expected}:
        totals: dict[tuple[str, str], tuple[int, int, int]] = {}
        mine, piece = counters.partition_of(content), counters.piece_field(organization, content)
        for (of, minute, platform, kind), (count, robots, value) in expected.items():
            if of == content:
                c, r, v = totals.get((platform, kind), (0, 0, 0))
                totals[platform, kind] = (c + count, r + robots, v + value)
                of_minute = await counters_of(doors, counters.minute_key(mine, minute), piece)
                assert of_minute[platform, kind] == (count, robots, value)
        assert await counters_of(doors, counters.totals_key(mine), piece) == totals


@pytest.mark.parametrize("ahead_s", [-3600, 3600, 10 * 24 * 3600])
async def test_a_worker_whose_clock_is_wrong_leaves_out_no_minute(doors: Doors, ahead_s: int) -> None:
    organization, content = uuid4(), UUID(int=7)
    partition, piece = ids.partition(content, EVENTS.partitions), counters.piece_field(organization, content)
    at_ms = int(time.time() - 720) * 1000
    first, second = (Event(content, ids.id_at(at_ms, n), "view", "web", robot=False, value=0) for n in "ab")
    worker = await begin(doors, {partition: 0})
    await worker.process([message(organization, partition, 0, [first])])
    awry = await begin(replace(doors, now=lambda: time.time() + ahead_s), {partition: 0})
    await awry.process([message(organization, partition, 0, [first]), message(organization, partition, 1, [second])])

    minute = counters.minute_key(partition, at_ms // 60_000)
    assert await counters_of(doors, minute, piece) == {("web", "view"): (2, 0, 0)}
    await doors.redis.flushdb()
    await begin(replace(doors, now=lambda: time.time() + ahead_s), {partition: 2})
    assert await counters_of(doors, minute, piece) == {("web", "view"): (2, 0, 0)}


@pytest.mark.parametrize("seed", range(2))
async def test_a_redis_that_was_emptied_or_turned_back_is_whole_again_though_nothing_comes(
    doors: Doors, seed: int
) -> None:
    organization = uuid4()
    log, expected = make_log(organization, random.Random(seed))
    worker = await begin(doors, dict.fromkeys(log, 0))
    halves = [[m for p in log for m in log[p][part]] for part in (slice(None, 2), slice(2, None))]
    await worker.process(halves[0])
    saved = {key: await doors.redis.dump(key) for key in await doors.redis.keys()}
    await worker.process(halves[1])
    whole = await totals_of(doors, organization)
    for before in ({}, saved):
        await doors.redis.flushdb()
        for key, value in before.items():
            await doors.redis.restore(key, 0, value)
        assert await totals_of(doors, organization) != whole
        await worker.tend()
        assert await totals_of(doors, organization) == whole
    assert len(whole) == len({at[0] for at in expected})


async def totals_of(doors: Doors, organization: UUID) -> dict[bytes, set[counters.Cell]]:
    hashes = [await doors.redis.hgetall(key) for key in await doors.redis.keys("tw:*:totals")]
    pieces = [piece for each in hashes for piece in each.items() if piece[0][:16] == organization.bytes]
    return {piece: set(counters.decode_cells(cells)) for piece, cells in pieces}


async def test_while_redis_is_away_nobody_waits_to_tend_it(doors: Doors) -> None:
    worker = await begin(doors, {0: 0})
    away = EngagementProcessor()
    await away.start(replace(doors, redis=wire.redis.client(SecretStr("redis://127.0.0.1:1/0"))))
    away._written = worker._written
    await asyncio.wait_for(away.tend(), 5)


async def test_an_envelope_that_does_not_decode_is_set_aside_and_the_next_is_counted(doors: Doors) -> None:
    organization = uuid4()
    content = UUID(int=5)
    partition = ids.partition(content, EVENTS.partitions)
    event = Event(content, ids.id_at(NOW_MS, "one"), "view", "web", robot=False, value=0)
    bad = Message(EVENTS.name, partition, 0, position(EPOCH, 0), None, b"no envelope", NOW_MS)
    elsewhere = message(organization, (partition + 1) % EVENTS.partitions, 0, [event])
    worker = await begin(doors, {partition: 0, elsewhere.partition: 0})

    await worker.process([bad, elsewhere, message(organization, partition, 1, [event])])

    assert await figures_of(doors, "engagement_events", organization) == {
        (content, NOW_MS // 60_000, "web", "view"): (1, 0, 0)
    }


async def test_of_one_id_with_two_kinds_the_first_in_the_log_counts_even_after_the_log_was_lost(doors: Doors) -> None:
    organization, content = uuid4(), UUID(int=6)
    partition = ids.partition(content, EVENTS.partitions)
    same = ids.id_at(NOW_MS, "same")
    first, second = (Event(content, same, kind, "web", robot=False, value=0) for kind in ("view", "share"))
    worker = await begin(doors, {partition: position(EPOCH, 0)})
    await worker.process([message(organization, partition, 7, [first])])
    later = await begin(doors, {})
    await later.assigned({partition: position(EPOCH + 60, 0)})
    again = message(organization, partition, 0, [second])
    await later.process([Message(again.topic, partition, 0, position(EPOCH + 60, 0), None, again.value, NOW_MS)])

    expected = {(content, NOW_MS // 60_000, "web", "view"): (1, 0, 0)}
    assert await figures_of(doors, "engagement_events", organization) == expected
    assert await figures_of(doors, "engagement_minutes", organization) == expected


async def test_findings_that_no_message_holds_go_in_several_and_one_too_large_alone_holds_up_nobody(
    doors: Doors, servers: Any
) -> None:
    """Each is of a piece of whose events a sender made up the platforms."""
    organization = uuid4()
    cells = {n: counters.encode_cells(made_up(n)) for n in (1, 10_000, 120_000)}
    pieces = {uuid4(): n for n in [10_000] * 13 + [1] * 40 + [120_000]}
    worker = await begin(doors, {0: 0})
    for content, n in pieces.items():
        piece = counters.piece_field(organization, content)
        worker._pending[piece] = piece, n, cells[n]
    await asyncio.wait_for(worker.settle(), 30)

    told = [
        update
        for command in await every_finding(servers)
        if command.type == RECORD_ENGAGEMENT
        for update in msgspec.json.decode(command.payload, type=RecordEngagement).updates
        if update.organization_id == organization
    ]
    assert sorted((update.content_id, counters.encode_cells(update.cells)) for update in told) == sorted(
        (content, cells[n]) for content, n in pieces.items() if n != 120_000
    )
    kept = "SELECT reason, place, sample FROM rejections WHERE organization_id = {o:UUID}"
    rejected = await asyncio.to_thread(doors.clickhouse.query, kept, {"o": organization})
    assert rejected.result_rows == [("too_many_platforms", 120_000, cells[120_000][:300].decode())]


def made_up(count: int) -> list[counters.Cell]:
    return [counters.Cell(f"made_up_by_a_sender_{n:0>12}", "subscribe", 1, 0, 10**15) for n in range(count)]
