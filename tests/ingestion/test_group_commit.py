"""Gathering and cutting lose nothing, reorder nothing, and fail only those concerned."""

import asyncio
from collections import Counter, defaultdict
from typing import Any
from uuid import UUID, uuid4

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion import columns as columns_module
from ingestion.columns import cut
from ingestion.group_commit import INTERVAL_S, GroupCommit
from ingestion.parse import Batch, Event
from ingestion.validate import Sent, validate
from wire import envelope, ids
from wire.accounts import window
from wire.errors import Transient
from wire.events import KINDS, Kind

PARTITIONS = 12
CONTENTS = [UUID(int=n * 0x9E3779B97F4A7C15F39CC0605CEDC835 % (1 << 128)) for n in range(1, 40)]
ORGANIZATIONS = [uuid4(), uuid4()]
COLLECTOR = ids.new_id()
NOW_MS = 1_800_000_000_000


def sent(contents: list[int], first: int = 0, organization: UUID = ORGANIZATIONS[0]) -> Sent:
    """A request of events whose value is their number, from `first` on."""
    made = [
        Event(
            id=str(ids.id_at(n, "event")),
            content_id=str(CONTENTS[c]),
            kind=list(Kind)[n % 8],
            platform="web" if n % 3 else f"p{n}",
            actor=f"reader-ß-{n}",
            value=(first + n) / 1000,
            attributes=msgspec.Raw(b'{"n":%d}' % n if n % 2 else b""),
            robot=n % 5 == 0,
        )
        for n, c in enumerate(contents)
    ]
    return Sent(organization, Batch(made, range(len(made))), NOW_MS + 1000 * first, history=True, unknown=frozenset())


def events(of: Sent, **fields: Any) -> Sent:
    """The same request with fields of its events replaced, each from its place."""
    made = [
        msgspec.structs.replace(event, **{name: make(n) for name, make in fields.items()})
        for n, event in enumerate(of.batch.events)
    ]
    return of._replace(batch=Batch(made, of.batch.places))


def rows(made: Sent) -> list[tuple[Any, ...]]:
    """The same events as the log should have them."""
    return [
        (
            made.organization_id.bytes,
            UUID(event.content_id).bytes,
            UUID(event.id).bytes,
            KINDS.index(event.kind),
            event.platform,
            bool(event.robot),
            round((event.value or 0) * 1000),
            event.actor or "",
            bytes(event.attributes).decode(),
            made.now_ms,
        )
        for event in made.batch.events
    ]


def decoded(data: bytes) -> list[tuple[Any, ...]]:
    batch = envelope.decode(data)
    listed = [tuple(row.values()) for row in batch.to_pylist()]
    return [(*row[:-1], round(row[-1].timestamp() * 1000)) for row in listed]


requests = st.lists(st.lists(st.integers(0, len(CONTENTS) - 1), min_size=1, max_size=60), min_size=1, max_size=8)


@given(requests, st.integers(1, 48), st.integers(1, 50), st.integers(300, 20_000))
def test_a_cut_group_is_the_same_events_each_on_its_partition_in_order(
    group: list[list[int]], partitions: int, most: int, most_bytes: int
) -> None:
    many = [sent(contents, 1000 * n, ORGANIZATIONS[n % 2]) for n, contents in enumerate(group)]
    expected = defaultdict(list)
    for row in (row for made in many for row in rows(made)):
        expected[ids.partition(UUID(bytes=row[1]), partitions)].append(row)
    found = defaultdict(list)
    owners: Counter[int] = Counter()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(columns_module, "MAX_ENVELOPE_EVENTS", most)
        patched.setattr(columns_module, "MAX_ENVELOPE_BYTES", most_bytes)
        for part in cut(validate(many)[0], partitions):
            there = decoded(part.data)
            assert 1 <= len(there) <= most
            assert part.owners == sorted(Counter(row[6] // 1000 for row in there).items())
            found[part.partition] += there
            owners += Counter(dict(part.owners))
    assert found == expected
    assert owners == Counter({n: len(contents) for n, contents in enumerate(group)})


@settings(max_examples=30, deadline=None)
@given(requests, st.lists(st.floats(0, 0.01), min_size=8, max_size=8))
async def test_each_request_returns_when_its_own_events_are_there(group: list[list[int]], pauses: list[float]) -> None:
    there: list[int] = []

    async def produce(partition: int, data: bytes, headers: envelope.Headers) -> None:
        await asyncio.sleep(0.001 * (partition % 3))
        there.extend(row[6] for row in decoded(data))
        whose = Counter((UUID(bytes=row[0]), window(row[9])) for row in decoded(data))
        assert envelope.read_headers(headers) == (COLLECTOR, whose)

    async def send(commit: GroupCommit, made: Sent, pause_s: float) -> None:
        await asyncio.sleep(pause_s)
        assert await commit.add(made) == []
        assert {row[6] for row in rows(made)} <= set(there)

    many = [sent(contents, 1000 * n, ORGANIZATIONS[n % 2]) for n, contents in enumerate(group)]
    async with GroupCommit(produce, PARTITIONS, COLLECTOR) as commit:
        await asyncio.gather(*(send(commit, made, pause_s) for made, pause_s in zip(many, pauses, strict=False)))
    assert sorted(there) == sorted(row[6] for made in many for row in rows(made))


async def test_refusals_come_back_to_the_request_they_are_of_and_nothing_else_waits_for_them() -> None:
    there: list[int] = []

    async def produce(_partition: int, data: bytes, _: envelope.Headers) -> None:
        there.extend(row[6] for row in decoded(data))

    good = sent([0, 1, 2], 100)
    mixed = events(sent([0, 1, 2], 200), platform=lambda n: "web" if n != 1 else "No")
    bad = events(sent([0, 1], 300), id=lambda _: "nonsense")
    foreign = sent([0, 1], 400)._replace(unknown={str(CONTENTS[1])})
    async with GroupCommit(produce, PARTITIONS, COLLECTOR) as commit:
        told = await asyncio.gather(*map(commit.add, (good, mixed, bad, foreign)))
    assert [[(each.place, each.why.reason) for each in refused] for refused in told] == [
        [],
        [(1, "invalid_platform")],
        [(0, "invalid_id"), (1, "invalid_id")],
        [(1, "unknown_content")],
    ]
    assert sorted(there) == [100, 101, 102, 200, 202, 400]


async def test_a_request_that_breaks_the_encoder_fails_alone() -> None:
    stored: list[int] = []

    async def produce(_partition: int, data: bytes, _: envelope.Headers) -> None:
        stored.extend(row[6] for row in decoded(data))

    broken = events(sent([0]), kind=lambda _: "no kind")
    async with GroupCommit(produce, PARTITIONS, COLLECTOR) as commit:
        told = await asyncio.gather(
            *(commit.add(made) for made in (sent([1], 1), broken, sent([2], 2))), return_exceptions=True
        )
    assert [isinstance(answer, Transient) for answer in told] == [False, True, False]
    assert sorted(stored) == [1, 2]


async def test_a_partition_that_fails_fails_only_the_requests_that_have_events_on_it() -> None:
    bad = ids.partition(CONTENTS[0], PARTITIONS)
    elsewhere = next(n for n, id_ in enumerate(CONTENTS) if ids.partition(id_, PARTITIONS) != bad)

    async def produce(partition: int, _data: bytes, _: envelope.Headers) -> None:
        if partition == bad:
            raise ConnectionError("no leader")

    async with GroupCommit(produce, PARTITIONS, COLLECTOR) as commit:
        both, none = await asyncio.gather(
            commit.add(sent([0, elsewhere])), commit.add(sent([elsewhere])), return_exceptions=True
        )
    assert isinstance(both, Transient)
    assert none == []


async def test_a_partition_that_hangs_holds_up_nobody_else_and_what_waits_behind_it_is_given_up() -> None:
    hanging = ids.partition(CONTENTS[0], PARTITIONS)
    elsewhere = next(n for n, id_ in enumerate(CONTENTS) if ids.partition(id_, PARTITIONS) != hanging)
    release = asyncio.Event()
    produced: list[int] = []

    async def produce(partition: int, _data: bytes, _: envelope.Headers) -> None:
        produced.append(partition)
        if partition == hanging:
            await release.wait()

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("ingestion.group_commit.MAX_WAIT_S", 0.1)
        async with GroupCommit(produce, PARTITIONS, COLLECTOR) as commit:
            first = asyncio.create_task(commit.add(sent([0])))
            await asyncio.sleep(2 * INTERVAL_S)
            for _ in range(2):  # one that waits until it is given up, and one that does not wait any more
                await asyncio.wait_for(commit.add(sent([elsewhere])), 1)
                with pytest.raises(Transient, match="waited too long"):
                    await asyncio.wait_for(commit.add(sent([0])), 1)
            assert not first.done()
            release.set()
            await first
            await asyncio.wait_for(commit.add(sent([0])), 1)
    assert produced.count(hanging) == 2


async def test_an_idle_collector_adds_no_wait_and_a_busy_one_sends_few_envelopes() -> None:
    envelopes = 0

    async def produce(_partition: int, _data: bytes, _: envelope.Headers) -> None:
        nonlocal envelopes
        envelopes += 1

    loop = asyncio.get_running_loop()
    async with GroupCommit(produce, PARTITIONS, COLLECTOR) as commit:
        await commit.add(sent([0]))
        await asyncio.sleep(2 * INTERVAL_S)
        started = loop.time()
        await commit.add(sent([0]))
        assert loop.time() - started < INTERVAL_S / 2
        envelopes, started = 0, loop.time()
        await asyncio.gather(*(commit.add(sent([0])) for _ in range(500)))
        for _ in range(5):
            await commit.add(sent([0]))
        assert envelopes <= 2 + (loop.time() - started) / INTERVAL_S


async def test_large_events_are_cut_so_that_kafka_takes_them() -> None:
    noise = [msgspec.Raw(b'{"a":"%s"}' % np.random.default_rng(n).bytes(2000).hex().encode()) for n in range(5000)]
    parts = list(cut(validate([events(sent([0] * 5000), attributes=noise.__getitem__)])[0], PARTITIONS))
    assert len(parts) > 4
    assert max(len(part.data) for part in parts) < 4_500_000
    assert [row[6] for part in parts for row in decoded(part.data)] == list(range(5000))


async def test_as_many_platforms_as_two_full_requests_can_hold_fit_one_group() -> None:
    many = [events(sent([0] * 10_000), platform=lambda m, n=n: f"p{n}_{m}") for n in range(3)]
    stored: list[str] = []

    async def produce(_partition: int, data: bytes, _: envelope.Headers) -> None:
        stored.extend(envelope.decode(data)["platform"].to_pylist())

    async with GroupCommit(produce, PARTITIONS, COLLECTOR) as commit:
        await asyncio.gather(*(commit.add(made) for made in many))
    assert stored == [event.platform for made in many for event in made.batch.events]
