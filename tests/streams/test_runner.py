"""A runner hands on what is its own, once, in order and without a gap, and stores a position only after the effects."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import pytest

from streams.doors import Doors
from streams.freshness import as_of_ms
from streams.messages import Message, position
from streams.positions import load
from streams.runner import MOST_UNSETTLED, GapError, Runner
from streams.stretches import Admit, Stretches
from wire.topics import Topic

TOPIC = Topic("test.runner", 2, "numbers")


@dataclass
class Record:
    partition: int
    offset: int
    timestamp: int = 5_000
    key: bytes | None = None
    value: bytes = b""
    headers: tuple[tuple[str, bytes], ...] = ()


class Numbers:
    topic = TOPIC
    max_messages = 10
    every_s = 0.1

    def __init__(self) -> None:
        self.seen: list[tuple[int, int]] = []
        self.calls: list[str] = []

    async def start(self, doors: Doors) -> None: ...

    async def assigned(self, positions: dict[int, int]) -> None:
        self.calls.append(f"assigned {sorted(positions)}")

    async def process(self, messages: list[Message], admit: Admit) -> None:
        self.seen += [(m.partition, m.offset) for m in messages]

    async def settle(self) -> None:
        self.calls.append("settled")

    async def tend(self) -> None:
        self.calls.append("tended")


@pytest.fixture
async def runner(doors: Doors, request: pytest.FixtureRequest, tmp_path: Path) -> Runner:
    epoch = 1_780_000_000 + abs(hash(request.node.nodeid)) % 1_000_000

    async def same() -> Doors:
        return doors

    async def epoch_of() -> int:
        return epoch

    made = Runner(Numbers(), same, epoch_of, Stretches(TOPIC.name, 5, tmp_path / "stopped"))
    await made.start()
    return made


async def test_messages_that_were_processed_or_belong_to_others_are_passed_over(runner: Runner) -> None:
    await runner.assigned({0})
    await runner.flush([Record(p, o) for p, o in [(0, 0), (1, 0), (0, 1), (0, 0), (0, 2)]])
    assert runner._processor.seen == [(0, 0), (0, 1), (0, 2)]
    await runner.stop()


async def test_a_gap_is_an_error_that_names_it(runner: Runner) -> None:
    await runner.assigned({0})
    with pytest.raises(GapError, match="expected offset 0, got 3"):
        runner._ours_in_order([Record(0, 3)])
    await runner.stop()


async def test_a_position_is_stored_after_settling_and_is_where_the_next_worker_goes_on(
    runner: Runner, doors: Doors
) -> None:
    assert await runner.assigned({0, 1}) == {0: 0, 1: 0}
    await runner.flush([Record(0, 0), Record(0, 1)])
    await runner.stop()
    assert runner._processor.calls == ["assigned [0, 1]", "settled"]
    assert await load(doors.clickhouse, TOPIC.name, runner._epoch) == {0: 2, 1: 0}
    assert await runner.assigned({0}) == {0: 2}
    assert runner.progress == {0: (2, 5000)}


async def test_a_worker_that_is_behind_does_not_turn_a_position_back(runner: Runner, doors: Doors) -> None:
    await runner.assigned({0})
    await runner.flush([Record(0, o) for o in range(5)])
    await runner.stop()
    runner._next, runner._stored = {0: 3}, {0: 0}
    await runner._settle()
    assert await load(doors.clickhouse, TOPIC.name, runner._epoch) == {0: 5}


async def test_two_assignments_do_not_overlap_what_is_being_processed(runner: Runner) -> None:
    await runner.assigned({0})
    async with runner._one_at_a_time:
        waiting = asyncio.create_task(runner.assigned({1}))
        await asyncio.sleep(0.05)
        assert not waiting.done()
    assert await waiting == {1: 0}
    await runner.stop()


def test_positions_grow_with_the_log_and_with_its_rebirth() -> None:
    assert position(1_780_000_000, 2**33) < position(1_780_000_001, 0) < position(1_780_000_001, 1) < 2**64


@pytest.mark.parametrize(
    ("next_offset", "high_water", "polled", "counted", "expected"),
    [
        (5, 5, 10_000, 7_000, 9_800),
        (4, 5, 10_000, 7_000, 7_000),
        (0, None, None, None, None),
        (0, 0, 10_000, None, 9_800),
    ],
)
def test_a_figure_is_as_new_as_the_last_look_at_a_log_that_was_read_to_its_end(
    next_offset: int, high_water: int | None, polled: int | None, counted: int | None, expected: int | None
) -> None:
    assert as_of_ms(next_offset, high_water, polled, counted) == expected


async def settling_after_one(runner: Runner) -> tuple[asyncio.Event, asyncio.Task[None]]:
    """One message was processed, and settling it takes until the event is set."""
    await runner.assigned({0})
    await runner.flush([Record(0, 0)])
    let_go = asyncio.Event()

    async def settle() -> None:
        await let_go.wait()

    runner._processor.settle = settle
    settling = asyncio.create_task(runner._settle())
    await asyncio.sleep(0.05)
    return let_go, settling


async def test_while_it_settles_the_next_messages_are_processed_and_their_position_is_not_stored_with_it(
    runner: Runner, doors: Doors
) -> None:
    let_go, settling = await settling_after_one(runner)
    await asyncio.wait_for(runner.flush([Record(0, 1)]), 1)
    assert not settling.done()
    let_go.set()
    await settling
    assert await load(doors.clickhouse, TOPIC.name, runner._epoch) == {0: 1}
    await runner.stop()
    assert await load(doors.clickhouse, TOPIC.name, runner._epoch) == {0: 2}


async def test_while_it_does_not_settle_no_more_is_processed_than_may_wait_for_it_in_memory(runner: Runner) -> None:
    let_go, settling = await settling_after_one(runner)
    await runner.flush([Record(0, offset) for offset in range(1, MOST_UNSETTLED)])
    flushing = asyncio.create_task(runner.flush([Record(0, MOST_UNSETTLED + at) for at in range(2)]))
    _, waits = await asyncio.wait([flushing], timeout=0.5)
    assert waits, "it goes on, though nothing of it is durable"
    let_go.set()
    await asyncio.gather(flushing, settling)
    await runner.flush([Record(0, MOST_UNSETTLED + 2)])
    await runner.stop()


async def test_an_assignment_that_the_next_one_overtakes_is_carried_out_whole_and_first(
    runner: Runner, doors: Doors
) -> None:
    settled: list[list[tuple[int, int]]] = []
    let_go = asyncio.Event()

    async def settle() -> None:
        taken, runner._processor.seen = runner._processor.seen, []
        await let_go.wait()
        settled.append(taken)

    await runner.assigned({0})
    runner._processor.settle = settle
    await runner.flush([Record(0, 0)])
    overtaken = asyncio.create_task(runner.assigned({0, 1}))
    await asyncio.sleep(0.05)
    overtaken.cancel()
    following = asyncio.create_task(runner.assigned({1}))
    await asyncio.sleep(0.05)
    assert await load(doors.clickhouse, TOPIC.name, runner._epoch) == {0: 0}
    assert runner.is_beginning
    let_go.set()

    assert await following == {1: 0}
    assert settled == [[(0, 0)]]
    assert runner._processor.calls == ["assigned [0]", "assigned [0, 1]", "assigned [1]"]
    assert await load(doors.clickhouse, TOPIC.name, runner._epoch) == {0: 1, 1: 0}
    assert not runner.is_beginning
    await runner.stop()


async def test_stores_are_tended_though_no_message_comes(
    doors: Doors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def same() -> Doors:
        return doors

    async def epoch() -> int:
        return 1_780_000_001

    monkeypatch.setattr("streams.runner.TEND_EVERY_S", 0.05)
    numbers = Numbers()
    made = Runner(numbers, same, epoch, Stretches(TOPIC.name, 5, tmp_path / "stopped"))
    await made.start()
    await asyncio.sleep(0.3)
    await made.stop()
    assert numbers.calls.count("tended") >= 2
