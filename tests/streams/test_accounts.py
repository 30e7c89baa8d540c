"""Accepted events become stored, duplicate or refused, each exactly once, whatever dies and however often they come."""

import asyncio
import random
from collections import Counter, defaultdict
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import accounts, envelopes
from streams.doors import Doors
from streams.engagement import EngagementProcessor
from streams.messages import Message, position
from streams.rejections import NOBODY
from wire import envelope, ids
from wire.accounts import WINDOW_S, window
from wire.topics import EVENTS

EPOCH = 1_780_000_000
NOW_MS = 1_800_000_000_000
COLLECTORS = [UUID(int=1), UUID(int=2), NOBODY]
Row = tuple[UUID, UUID, int]
"""organization, event id, received_at"""


def message(content: UUID, offset: int, rows: list[Row], collector: UUID = NOBODY, kind: int = 0) -> Message:
    columns: dict[str, list[Any]] = {
        "organization_id": [organization.bytes for organization, _, _ in rows],
        "content_id": [content.bytes] * len(rows),
        "id": [id_.bytes for _, id_, _ in rows],
        "kind": [kind] * len(rows),
        "platform": ["web"] * len(rows),
        "robot": [False] * len(rows),
        "value": [0] * len(rows),
        "actor": [""] * len(rows),
        "attributes": [""] * len(rows),
        "received_at": [at for _, _, at in rows],
    }
    arrays = [
        pa.array(columns["platform"], pa.string()).dictionary_encode().cast(field.type)
        if field.name == "platform"
        else pa.array(columns[field.name], field.type)
        for field in envelope.SCHEMA
    ]
    value = envelope.encode(pa.record_batch(arrays, schema=envelope.SCHEMA))
    headers = envelope.headers(collector, {}) if collector != NOBODY else ()
    partition = ids.partition(content, EVENTS.partitions)
    return Message(EVENTS.name, partition, offset, position(EPOCH, offset), None, value, NOW_MS, headers)


organizations = st.sampled_from([UUID(int=n << 64 | 7) for n in range(3)])
times = st.sampled_from([NOW_MS, NOW_MS + 1, NOW_MS + 299_999, NOW_MS + 300_000, NOW_MS - 1])
bodies = st.lists(st.tuples(organizations, times, st.booleans()), max_size=12)


@given(envelopes_=st.lists(st.tuples(st.sampled_from(COLLECTORS), bodies), min_size=1, max_size=6))
def test_every_event_of_every_envelope_is_in_exactly_one_row_as_it_was_counted(envelopes_) -> None:
    content, platforms = UUID(int=9), envelopes.Platforms()
    made = [
        message(content, offset, [(of, ids.id_at(NOW_MS, str(i)), at) for i, (of, at, _) in enumerate(body)], who)
        for offset, (who, body) in enumerate(envelopes_)
    ]
    events, _ = envelopes.read(made, EVENTS.partitions, platforms)
    fresh = np.array([new for _, body in envelopes_ for *_, new in body], np.bool_)

    stored: Counter[Any] = Counter()
    duplicate: Counter[Any] = Counter()
    for offset, (who, body) in enumerate(envelopes_):
        for of, at, new in body:
            key = (of, at // 1000 // WINDOW_S * WINDOW_S, made[0].partition, position(EPOCH, offset), who)
            stored[key] += new
            duplicate[key] += not new
    expected = {(*key, stored[key], duplicate[key], 0) for key in stored}
    rows = accounts.counted(events, fresh, made)
    assert set(rows) == expected
    assert len(rows) == len(expected)


@pytest.mark.parametrize("headers", [(), [("events", b"[]"), ("collector", b"x")], [("collector", bytes(16))]])
def test_an_envelope_that_cannot_be_read_and_has_no_good_headers_is_one_refused_event_of_nobody(
    headers: envelope.Headers,
) -> None:
    bad = Message(EVENTS.name, 3, 0, 77, None, b"no envelope", NOW_MS, headers)
    assert accounts.refused(bad) == [(NOBODY, window(NOW_MS), 3, 77, NOBODY, 0, 0, 1)]


def test_what_was_refused_is_told_by_the_events_themselves_and_where_they_cannot_be_read_by_the_header() -> None:
    one, two, who = uuid4(), uuid4(), uuid4()
    rows = [(one, uuid4(), NOW_MS), (two, uuid4(), NOW_MS), (one, uuid4(), NOW_MS), (one, uuid4(), NOW_MS + 300_000)]
    unknown_kind = message(uuid4(), 5, rows, who, kind=99)
    expected = {(one, window(NOW_MS)): 2, (two, window(NOW_MS)): 1, (one, window(NOW_MS) + 300): 1}
    assert {row[:2]: row.rejected for row in accounts.refused(unknown_kind)} == expected
    told = envelope.headers(who, expected)
    unreadable = Message(EVENTS.name, 3, 0, 77, None, b"no envelope", NOW_MS, told)
    assert {row[:2]: row.rejected for row in accounts.refused(unreadable)} == expected
    assert {row.collector for row in [*accounts.refused(unreadable), *accounts.refused(unknown_kind)]} == {who}


async def begin(doors: Doors, at: dict[int, int]) -> EngagementProcessor:
    worker = EngagementProcessor()
    await worker.start(doors)
    await worker.assigned({partition: position(EPOCH, offset) for partition, offset in at.items()})
    return worker


def make_log(chance: random.Random, organizations: list[UUID]) -> tuple[dict[int, list[Message]], Counter[Any]]:
    """Envelopes of several organizations with duplicates, some of them unreadable; and what is to become of each."""
    contents = [UUID(int=chance.getrandbits(128)) for _ in range(3)]
    log: dict[int, list[Message]] = defaultdict(list)
    sent: dict[UUID, list[tuple[UUID, UUID]]] = defaultdict(list)
    expected: Counter[Any] = Counter()
    for _ in range(40):
        content, who = chance.choice(contents), chance.choice(COLLECTORS)
        offset = len(log[ids.partition(content, EVENTS.partitions)])
        bad = chance.random() < 0.1
        rows: list[Row] = []
        for _ in range(chance.randint(1, 8)):
            at = NOW_MS + chance.randint(-2, 2) * 200_000
            again = bool(sent[content]) and chance.random() < 0.3
            of, id_ = chance.choice(sent[content]) if again else (chance.choice(organizations), uuid4())
            id_ = id_ if again else ids.id_at(NOW_MS, id_.bytes)
            fate = "rejected" if bad else "duplicate" if again else "stored"
            expected[of, at // 300_000 * 300, who, fate] += 1
            if not bad and not again:
                sent[content].append((of, id_))
            rows.append((of, id_, at))
        made = message(content, offset, rows, who, kind=200 if bad else 0)
        log[made.partition].append(made)
    return log, expected


@pytest.mark.parametrize("seed", range(4))
async def test_crashes_and_zombies_change_no_account_and_what_is_stored_is_what_the_ledger_has(
    doors: Doors, seed: int
) -> None:
    chance, organizations = random.Random(seed), [uuid4(), uuid4()]
    log, expected = make_log(chance, organizations)
    stored = dict.fromkeys(log, 0)
    worker, reached = await begin(doors, stored), dict(stored)
    zombies: list[tuple[EngagementProcessor, dict[int, int]]] = []
    while any(stored[p] < len(log[p]) for p in log):
        batch = [m for p in log for m in log[p][reached[p] : reached[p] + chance.randint(0, 4)]]
        if batch:
            await worker.process(batch)
            reached |= {m.partition: m.offset + 1 for m in batch}
        fate = chance.random()
        if fate < 0.5:
            await worker.settle()
            stored.update(reached)
        elif fate < 0.7:
            zombies.append((worker, dict(reached)))
            worker, reached = await begin(doors, stored), dict(stored)
        elif zombies:
            awake, its = chance.choice(zombies)
            if late := [m for p in log for m in log[p][its[p] : its[p] + 2]]:
                await awake.process(late)
                its |= {m.partition: m.offset + 1 for m in late}
            await awake.settle()

    found = await asyncio.to_thread(
        doors.clickhouse.query,
        "SELECT organization_id, toUnixTimestamp(window), collector, sum(stored), sum(duplicate), sum(rejected) "
        "FROM counted_events WHERE organization_id IN {of:Array(UUID)} GROUP BY 1, 2, 3",
        {"of": organizations},
    )
    fates = ("stored", "duplicate", "rejected")
    counted = {(*row[:3], fate): n for row in found.result_rows for fate, n in zip(fates, row[3:], strict=True) if n}
    assert counted == expected
    differ = await asyncio.to_thread(
        doors.clickhouse.query,
        "SELECT * FROM (SELECT partition, position, organization_id, count() AS n FROM engagement_events "
        "WHERE organization_id IN {of:Array(UUID)} GROUP BY ALL) AS l FULL JOIN (SELECT partition, position, "
        "organization_id, sum(stored) AS n FROM counted_events WHERE organization_id IN {of:Array(UUID)} "
        "GROUP BY ALL HAVING n > 0) AS c USING (partition, position, organization_id) WHERE l.n != c.n",
        {"of": organizations},
    )
    assert differ.result_rows == []
