"""What waits is bounded, in order, and taken as far as it fits: when there is time, at the latest when it is full."""

import asyncio
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from streams.intake import Intake


@dataclass
class Record:
    number: int
    value: bytes | None


def record(number: int, size: int = 10) -> Record:
    return Record(number, b"x" * size)


def numbers(records: list[Record]) -> list[int]:
    return [each.number for each in records]


@given(st.lists(st.lists(st.integers(0, 150), max_size=8), max_size=30))
def test_records_come_out_in_order_and_no_more_at_once_than_fit(fetches: list[list[int]]) -> None:
    async def all_of_them() -> None:
        intake, waiting, put, taken = Intake(max_messages=4, every_s=0.0, max_bytes=100), fetches.copy(), 0, []
        while waiting or len(taken) < put:
            while waiting and intake.has_room:
                records = [record(put + n, size) for n, size in enumerate(waiting.pop(0))]
                put += len(records)
                intake.put(records)
            if len(taken) < put:
                some = await asyncio.wait_for(intake.take(), 5)
                assert 0 < len(some) <= 4
                assert len(some) == 1 or sum(len(each.value or b"") for each in some) <= 100
                taken += numbers(some)
        assert taken == list(range(put))

    asyncio.run(all_of_them())


async def test_it_has_room_until_as_much_waits_as_goes_into_a_flush() -> None:
    by_number, by_size = Intake(max_messages=2, every_s=0.0), Intake(max_messages=9, every_s=0.0, max_bytes=20)
    for intake in (by_number, by_size):
        intake.put([record(0)])
        assert intake.has_room
        intake.put([record(1), record(2)])
        assert not intake.has_room
        assert numbers(await intake.take()) == [0, 1]
        assert intake.has_room


async def test_a_record_larger_than_everything_goes_alone() -> None:
    intake = Intake(max_messages=4, every_s=0.0, max_bytes=100)
    intake.put([record(0), record(1, 5_000), Record(2, None)])
    assert [numbers(await intake.take()) for _ in range(3)] == [[0], [1], [2]]


async def test_the_next_batch_waits_for_its_time_unless_it_is_full() -> None:
    intake = Intake(max_messages=2, every_s=30.0)
    intake.put([record(0)])
    assert len(await asyncio.wait_for(intake.take(), 1)) == 1, "the first has nothing to wait for"
    intake.put([record(1)])
    taking = asyncio.create_task(intake.take())
    await asyncio.sleep(0.05)
    assert not taking.done()
    intake.put([record(2)])
    assert numbers(await asyncio.wait_for(taking, 1)) == [1, 2]


async def test_what_waits_is_forgotten_since_it_comes_again() -> None:
    intake = Intake(max_messages=2, every_s=0.0)
    intake.put([record(0), record(1)])
    assert not intake.has_room
    intake.clear()
    assert intake.has_room
    intake.put([record(0)])
    assert numbers(await asyncio.wait_for(intake.take(), 1)) == [0]


async def test_what_is_forgotten_while_it_is_waited_for_is_not_taken() -> None:
    intake = Intake(max_messages=2, every_s=0.0)
    intake.put([record(0)])
    taking = asyncio.create_task(intake.take())
    await asyncio.sleep(0)
    intake.clear()
    assert await asyncio.wait_for(taking, 1) == []
