"""Gathering and cutting lose nothing, reorder nothing, and fail only those concerned."""

import asyncio
from collections import Counter, defaultdict
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion import columns as columns_module
from ingestion.columns import Columns, cut
from ingestion.group_commit import INTERVAL_S, GroupCommit
from wire import envelope, ids
from wire.accounts import window
from wire.errors import Transient

PARTITIONS = 12
CONTENTS = [UUID(int=n * 0x9E3779B97F4A7C15F39CC0605CEDC835 % (1 << 128)) for n in range(1, 40)]
ORGANIZATIONS = [uuid4(), uuid4()]
COLLECTOR = ids.new_id()


def columns(contents: list[int], first: int = 0, organization: UUID = ORGANIZATIONS[0]) -> Columns:
    """Events whose value is their number, from `first` on."""
    count = len(contents)
    return Columns(
        organization_id=organization,
        content_id=np.frombuffer(b"".join(CONTENTS[c].bytes for c in contents), np.uint8).reshape(-1, 16),
        id=np.frombuffer(b"".join(ids.id_at(n, "event").bytes for n in range(count)), np.uint8).reshape(-1, 16),
        kind=bytes(n % 8 for n in range(count)),
        platform=["web" if n % 3 else f"p{n}" for n in range(count)],
        robot=bytes(n % 5 == 0 for n in range(count)),
        value=np.arange(first, first + count, dtype=np.uint64),
        actor=[f"reader-ß-{n}" for n in range(count)],
        attributes=[b'{"n":%d}' % n if n % 2 else b"" for n in range(count)],
        received_at_ms=1_800_000_000_000 + 1000 * first,
    )


def rows(made: Columns) -> list[tuple[Any, ...]]:
    """The same events, one at a time."""
    return [
        (
            made.organization_id.bytes,
            bytes(made.content_id[n]),
            bytes(made.id[n]),
            made.kind[n],
            made.platform[n],
            bool(made.robot[n]),
            int(made.value[n]),
            made.actor[n],
            made.attributes[n].decode(),
            made.received_at_ms,
        )
        for n in range(len(made))
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
    many = [columns(contents, 1000 * n, ORGANIZATIONS[n % 2]) for n, contents in enumerate(group)]
    expected = defaultdict(list)
    for row in (row for made in many for row in rows(made)):
        expected[ids.partition(UUID(bytes=row[1]), partitions)].append(row)
    found = defaultdict(list)
    positions = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(columns_module, "MAX_ENVELOPE_EVENTS", most)
        patched.setattr(columns_module, "MAX_ENVELOPE_BYTES", most_bytes)
        for part in cut(many, partitions):
            assert 1 <= len(part.rows) <= most
            found[part.partition] += decoded(part.data)
            whose = Counter((UUID(bytes=row[0]), window(row[9])) for row in decoded(part.data))
            assert envelope.read_headers(envelope.headers(COLLECTOR, part.events)) == (COLLECTOR, whose)
            positions += part.rows.tolist()
    assert found == expected
    assert sorted(positions) == list(range(sum(map(len, many))))


@settings(max_examples=30, deadline=None)
@given(requests, st.lists(st.floats(0, 0.01), min_size=8, max_size=8))
async def test_each_request_returns_when_its_own_events_are_there(group: list[list[int]], pauses: list[float]) -> None:
    there: list[int] = []

    async def produce(partition: int, data: bytes, _: envelope.Headers) -> None:
        await asyncio.sleep(0.001 * (partition % 3))
        there.extend(row[6] for row in decoded(data))

    async def send(commit: GroupCommit, made: Columns, pause_s: float) -> None:
        await asyncio.sleep(pause_s)
        await commit.add(made)
        assert set(made.value.tolist()) <= set(there)

    many = [columns(contents, 1000 * n) for n, contents in enumerate(group)]
    async with GroupCommit(produce, PARTITIONS, COLLECTOR) as commit:
        await asyncio.gather(*(send(commit, made, pause_s) for made, pause_s in zip(many, pauses, strict=False)))
    assert sorted(there) == sorted(int(value) for made in many for value in made.value)


async def test_a_partition_that_fails_fails_only_the_requests_that_have_events_on_it() -> None:
    bad = ids.partition(CONTENTS[0], PARTITIONS)
    elsewhere = next(n for n, id_ in enumerate(CONTENTS) if ids.partition(id_, PARTITIONS) != bad)

    async def produce(partition: int, _data: bytes, _: envelope.Headers) -> None:
        if partition == bad:
            raise ConnectionError("no leader")

    async with GroupCommit(produce, PARTITIONS, COLLECTOR) as commit:
        both, none = await asyncio.gather(
            commit.add(columns([0, elsewhere])), commit.add(columns([elsewhere])), return_exceptions=True
        )
    assert isinstance(both, Transient)
    assert none is None


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
            first = asyncio.create_task(commit.add(columns([0])))
            await asyncio.sleep(2 * INTERVAL_S)
            second = asyncio.create_task(commit.add(columns([0])))
            await asyncio.wait_for(commit.add(columns([elsewhere])), 1)
            await asyncio.sleep(0.2)
            release.set()
            await first
            with pytest.raises(Transient, match="waited too long"):
                await second
    assert produced.count(hanging) == 1


async def test_an_idle_collector_adds_no_wait_and_a_busy_one_sends_few_envelopes() -> None:
    sent = 0

    async def produce(_partition: int, _data: bytes, _: envelope.Headers) -> None:
        nonlocal sent
        sent += 1

    loop = asyncio.get_running_loop()
    async with GroupCommit(produce, PARTITIONS, COLLECTOR) as commit:
        await commit.add(columns([0]))
        await asyncio.sleep(2 * INTERVAL_S)
        started = loop.time()
        await commit.add(columns([0]))
        assert loop.time() - started < INTERVAL_S / 2
        sent, started = 0, loop.time()
        await asyncio.gather(*(commit.add(columns([0])) for _ in range(500)))
        for _ in range(5):
            await commit.add(columns([0]))
        assert sent <= 2 + (loop.time() - started) / INTERVAL_S


async def test_large_events_are_cut_so_that_kafka_takes_them() -> None:
    made = columns([0] * 5000)
    made = replace(made, attributes=[np.random.default_rng(n).bytes(2000).hex().encode() for n in range(5000)])
    parts = list(cut([made], PARTITIONS))
    assert len(parts) > 4
    assert max(len(part.data) for part in parts) < 4_500_000
    assert [row[6] for part in parts for row in decoded(part.data)] == list(range(5000))


async def test_as_many_platforms_as_two_full_requests_can_hold_fit_one_group() -> None:
    many = [replace(columns([0] * 10_000), platform=[f"p{n}_{m}" for m in range(10_000)]) for n in range(3)]
    stored: list[str] = []

    async def produce(_partition: int, data: bytes, _: envelope.Headers) -> None:
        stored.extend(envelope.decode(data)["platform"].to_pylist())

    async with GroupCommit(produce, PARTITIONS, COLLECTOR) as commit:
        await asyncio.gather(*(commit.add(made) for made in many))
    assert stored == [name for made in many for name in made.platform]
