"""A bad message is set aside; where one after the other is bad, processing stops, says why, and loses nothing."""

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import positions
from streams.doors import Doors
from streams.messages import Message
from streams.rejections import NOBODY, RejectionsProcessor
from streams.runner import Processor, Runner
from streams.snapshots import SnapshotsProcessor
from streams.stretches import Stretch, Stretches, run_of
from tests.streams.test_rejections import rejection
from tests.streams.test_runner import Record
from tests.streams.test_snapshots import snapshot
from wire.errors import Poison
from wire.events import encode
from wire.topics import REJECTIONS, SNAPSHOTS, Topic

MOST = 5


@given(
    batches=st.lists(st.lists(st.tuples(st.integers(0, 1), st.booleans()), max_size=12), max_size=12),
    most=st.integers(0, 4),
)
def test_it_stops_before_the_first_message_that_would_be_one_bad_too_many_and_keeps_all_before_it(
    batches, most, tmp_path_factory
) -> None:
    stretches = Stretches("t", most, tmp_path_factory.getbasetemp() / "stopped")
    stretches.begin({})
    sent: dict[int, list[bool]] = {0: [], 1: []}
    for batch in batches:
        messages, kept, over = [], [], set()
        for partition, bad in batch:
            messages.append(Message("t", partition, len(messages), 0, None, b"", 0))
            run = sent[partition][-most:] if most else []
            if bad and len(run) == most > 0 and all(run):
                over.add(partition)
            if partition not in over:
                sent[partition].append(bad)
                kept.append(messages[-1])
        refused = [(one, Poison("bad")) for one, (_, bad) in zip(messages, batch, strict=True) if bad]
        if not over:
            stretches.admit(messages, refused)
            continue
        with pytest.raises(Stretch) as stopped:
            stretches.admit(messages, refused)
        assert stopped.value.before == kept
        assert not stretches.going.is_set()


@given(st.sets(st.integers(0, 30)), st.integers(0, 32))
def test_a_run_is_what_ends_without_a_gap_just_before_the_offset(places, offset) -> None:
    run = run_of([place for place in places if place < offset], offset)
    assert set(range(offset - run, offset)) <= places
    assert offset - run - 1 not in places


class Log:
    """A partition of real messages, somewhere far in a log of its own."""

    def __init__(self, values: list[bytes]) -> None:
        self.first = int(uuid4().int % 10**12)
        self.epoch = 1_790_000_000 + self.first % 10**7
        self.values = values

    def records(self) -> list[Record]:
        return [Record(0, self.first + at, value=value) for at, value in enumerate(self.values)]


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "stopped"


def said(marker: Path) -> str:
    return marker.read_text() if marker.exists() else ""


async def begin(
    doors: Doors, marker: Path, log: Log, most: int = MOST, of: type[Processor] = RejectionsProcessor
) -> Runner:
    async def same() -> Doors:
        return doors

    async def epoch() -> int:
        return log.epoch

    made = Runner(of(), same, epoch, Stretches(of.topic.name, most, marker))
    await made.start()
    if not await positions.load(doors.clickhouse, of.topic.name, log.epoch):
        await positions.store(doors.clickhouse, of.topic.name, log.epoch, {0: log.first})
    await made.assigned({0})
    return made


async def offer(runner: Runner, log: Log) -> None:
    """Everything from where it goes on; returns when that is processed, or it has stopped."""
    runner.put([record for record in log.records() if record.offset >= runner.progress[0][0]])
    while runner._stretches.going.is_set() and runner.progress[0][0] < log.first + len(log.values):
        await runner.flush(await runner.take())


async def set_aside(doors: Doors, log: Log, topic: Topic = REJECTIONS) -> list[int]:
    found = await asyncio.to_thread(
        doors.clickhouse.query,
        "SELECT place FROM rejections WHERE organization_id = {o:UUID} AND source = {s:String} AND place >= {p:UInt64} "
        "AND place < {p:UInt64} + 1000 ORDER BY place",
        {"o": NOBODY, "s": f"{topic.name}/0", "p": log.first},
    )
    return [row[0] - log.first for row in found.result_rows]


async def test_when_all_is_bad_it_stops_and_stays_so_over_restarts_until_the_next_message_can_be_read(
    doors: Doors, marker: Path
) -> None:
    good = encode([rejection(uuid4())])
    log = Log([good, b"bad", good, *[b"bad"] * 9, good])
    for _ in range(3):
        runner = await begin(doors, marker, log)
        await offer(runner, log)
        told = said(marker)
        assert f"{REJECTIONS.name}/0 stands still at offset {log.first + 3 + MOST}: undecodable_rejections" in told
        assert "TALLYWIRE_STREAMS_BAD_IN_A_ROW" in told
        assert runner.progress[0][0] == log.first + 3 + MOST
        await runner.stop()
        assert await set_aside(doors, log) == [1, *range(3, 3 + MOST)]

    log.values[3 + MOST] = good
    mended = await begin(doors, marker, log)
    assert not said(marker)
    await offer(mended, log)
    assert not said(marker)
    assert mended.progress[0][0] == log.first + len(log.values)
    await mended.stop()
    assert await set_aside(doors, log) == [1, *range(3, 3 + MOST), *range(4 + MOST, 12)]


async def test_where_the_operator_allows_it_all_that_is_bad_is_set_aside(doors: Doors, marker: Path) -> None:
    log = Log([b"bad"] * (3 * MOST))
    stopped = await begin(doors, marker, log)
    await offer(stopped, log)
    await stopped.stop()
    assert await set_aside(doors, log) == list(range(MOST))
    allowed = await begin(doors, marker, log, most=0)
    await offer(allowed, log)
    assert not said(marker)
    await allowed.stop()
    assert await set_aside(doors, log) == list(range(3 * MOST))


async def test_while_it_stands_still_it_can_be_assigned_other_partitions_and_goes_on_with_them(
    doors: Doors, marker: Path
) -> None:
    log = Log([b"bad"] * (MOST + 1))
    runner = await begin(doors, marker, log)
    await offer(runner, log)
    assert not runner._stretches.going.is_set()
    await runner.assigned({1})
    assert runner._stretches.going.is_set()
    assert not said(marker)
    await runner.stop()


async def test_snapshots_that_are_all_wrong_stop_it_too_and_those_with_a_good_one_among_them_do_not(
    doors: Doors, marker: Path
) -> None:
    organization = uuid4()
    good, wrong = snapshot(organization, uuid4(), 1), snapshot(organization, uuid4(), -1)
    log = Log([*[encode([wrong, good])] * 2 * MOST, encode([]), *[encode([wrong, wrong])] * 2 * MOST])
    at = 2 * MOST + 1 + MOST
    for _ in range(2):
        runner = await begin(doors, marker, log, of=SnapshotsProcessor)
        await offer(runner, log)
        told = f"{SNAPSHOTS.name}/0 stands still at offset {log.first + at}: nothing_but_bad_snapshots: all 2; item 0:"
        assert told in said(marker)
        assert runner.progress[0][0] == log.first + at
        await runner.stop()
        assert await set_aside(doors, log, SNAPSHOTS) == list(range(2 * MOST + 1, at))
    theirs = "SELECT reason, count() FROM rejections WHERE organization_id = {o:UUID} GROUP BY reason"
    kept = await asyncio.to_thread(doors.clickhouse.query, theirs, {"o": organization})
    assert kept.result_rows == [("bad_snapshot", 2 * MOST + 2 * MOST)]
