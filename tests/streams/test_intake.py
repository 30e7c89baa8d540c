"""What waits is bounded, in order, and taken whole: at once when there is time, at the latest when it is full."""

import asyncio
from dataclasses import dataclass

from streams.intake import Intake


@dataclass
class Message:
    value: bytes


@dataclass
class Event:
    number: int
    message: Message


def event(number: int, size: int = 10) -> Event:
    return Event(number, Message(b"x" * size))


async def test_messages_come_out_in_order_and_no_more_at_once_than_fit() -> None:
    intake, sizes, numbers = Intake(max_messages=4, every_s=0.0, max_bytes=100), [], []

    async def fill() -> None:
        for number in range(200):
            await intake.put(event(number, 10 + number % 40))

    filling = asyncio.create_task(fill())
    while len(numbers) < 200:
        taken = await asyncio.wait_for(intake.take(), 5)
        sizes.append((len(taken), sum(len(each.message.value) for each in taken)))
        numbers += [each.number for each in taken]
        await asyncio.sleep(0)
    await filling
    assert numbers == list(range(200))
    assert max(count for count, _ in sizes) <= 4
    assert max(size for _, size in sizes) <= 100


async def test_a_message_larger_than_everything_goes_alone() -> None:
    intake = Intake(max_messages=4, every_s=0.0, max_bytes=100)
    await intake.put(event(0))
    large = asyncio.create_task(intake.put(event(1, 5_000)))
    assert [each.number for each in await intake.take()] == [0]
    await large
    assert [each.number for each in await intake.take()] == [1]


async def test_the_next_batch_waits_for_its_time_unless_it_is_full() -> None:
    intake = Intake(max_messages=2, every_s=30.0)
    await intake.put(event(0))
    assert len(await asyncio.wait_for(intake.take(), 1)) == 1, "the first has nothing to wait for"
    await intake.put(event(1))
    taking = asyncio.create_task(intake.take())
    await asyncio.sleep(0.05)
    assert not taking.done()
    await intake.put(event(2))
    late = asyncio.create_task(intake.put(event(3)))
    assert [each.number for each in await asyncio.wait_for(taking, 1)] == [1, 2]
    await asyncio.wait_for(late, 1)


async def test_what_waits_for_room_is_forgotten_with_what_waits_since_it_comes_again_too() -> None:
    intake = Intake(max_messages=2, every_s=0.0)
    for number in range(2):
        await intake.put(event(number))
    waiting = asyncio.create_task(intake.put(event(2)))
    await asyncio.sleep(0)
    intake.clear()
    await asyncio.wait_for(waiting, 1)
    await asyncio.wait_for(intake.put(event(0)), 1)
    assert [each.number for each in await asyncio.wait_for(intake.take(), 1)] == [0]
