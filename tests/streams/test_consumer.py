"""However fetches, rebalances and seeks follow one another: what is handed on is what the stored position expects."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from faust.types import TP
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from streams.app import build
from streams.consumer import FETCH_S, FencedConsumer
from tests.streams.test_runner import TOPIC, Record
from wire.settings import Settings

AT: Final = TP(TOPIC.name, 0)
IN_PLACE: Final = ("rebalance", "assign", "seek", "begin", "find")
CAN_HAPPEN: Final = ("find", "end", "rebalance", "assign", "seek", "call_off", "begin", "settle")
STEPS: Final = st.lists(st.sampled_from(CAN_HAPPEN), min_size=5, max_size=40)


@dataclass
class Taker:
    """In a runner's place: knows which record is next, and wants no other."""

    topic = TOPIC
    has_room: bool = True
    next: int = 0
    stored: dict[int, int] = field(default_factory=lambda: {0: 0})
    begins: asyncio.Event = field(default_factory=asyncio.Event)

    async def assigned(self, partitions: set[int]) -> dict[int, int]:
        await self.begins.wait()
        self.next = self.stored[0]
        return {partition: self.stored[partition] for partition in partitions}

    def put(self, records: Sequence[Any]) -> None:
        for record in records:
            assert record.offset == self.next
            self.next += 1

    async def consume(self, stream: Any) -> None: ...


class Consumer(FencedConsumer):
    """The real one, and instead of aiokafka a place in a log; a fetch finds something, and later ends."""

    place = 0
    fetching: asyncio.Future[dict[TP, list[Any]]] | None = None
    found: dict[TP, list[Any]] | None = None

    def assignment(self) -> set[TP]:
        return {AT}

    async def _seek(self, partition: TP, offset: int) -> None:
        self.place = offset

    async def _getmany(self, active_partitions: set[TP] | None, wait_s: float) -> dict[TP, list[Any]]:
        assert active_partitions == {AT}
        assert wait_s == FETCH_S
        self.fetching = asyncio.get_running_loop().create_future()
        brought, self.fetching, self.found = await self.fetching, None, None
        return brought

    def find(self) -> None:
        if self.fetching and not self.found:
            self.found = {AT: [Record(0, self.place + n) for n in range(3)]}
            self.place += 3

    def end(self) -> None:
        if self.fetching and self.found and not self.fetching.done():
            self.fetching.set_result(self.found)


async def nothing(*_: object) -> None: ...


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("consumer")


def made(folder: Path) -> tuple[Consumer, Taker]:
    of = Settings(kafka_url=SecretStr("kafka://127.0.0.1:1"), state_dir=folder)
    taker: Any = Taker()
    app = build(of, [taker], on_assigned=lambda: None, on_stopped=nothing, broker_answers=nothing)
    consumer: Any = Consumer(app.transport, nothing, on_partitions_revoked=nothing, on_partitions_assigned=nothing)
    return consumer, taker


class World:
    """One consumer that fetches for ever, and what can happen to it."""

    def __init__(self, folder: Path) -> None:
        self.consumer, self.taker = made(folder)
        self.app: Any = self.consumer.app
        self.draining = asyncio.create_task(self._drain())
        self.seeks: list[asyncio.Task[None]] = []

    async def _drain(self) -> None:
        while True:
            await self.consumer._handed_on()
            await asyncio.sleep(0)

    async def do(self, what: str) -> None:
        await getattr(self, what)()
        for _ in range(8):
            await asyncio.sleep(0)
        assert not self.draining.done() or self.draining.result()

    async def find(self) -> None:
        self.consumer.find()

    async def end(self) -> None:
        self.consumer.end()

    async def rebalance(self) -> None:
        self.app.on_rebalance_start()

    async def assign(self) -> None:
        if self.consumer._assigned_in == self.app.rebalancing_count:
            return  # only a rebalance assigns
        self.consumer.place += 5  # where the group was told that it is, which is a hint only
        for _ in range(8):
            await asyncio.sleep(0)
        await self.consumer.on_partitions_assigned({AT})

    async def seek(self) -> None:
        self.taker.begins.clear()
        self.seeks.append(asyncio.create_task(self.consumer.perform_seek()))

    async def call_off(self) -> None:
        if self.seeks:
            self.seeks.pop().cancel()

    async def begin(self) -> None:
        self.taker.begins.set()

    async def settle(self) -> None:
        self.taker.stored = {0: self.taker.next}


async def live(steps: list[str], folder: Path) -> None:
    world = World(folder)
    for what in [*IN_PLACE, *steps, "rebalance", "assign", "seek"]:
        await world.do(what)
    while not all(seek.done() for seek in world.seeks):
        for what in ("begin", "find", "end"):
            await world.do(what)
    first = world.taker.stored[0]
    for what in ("find", "end") * len(world.seeks):  # a fetch that began between two of them brings nothing
        await world.do(what)
    assert world.taker.next > first, "it goes on"
    world.taker.has_room = False
    for what in ("find", "end"):
        await world.do(what)
    assert world.consumer.fetching is None, "nothing has room"
    world.draining.cancel()


@settings(max_examples=60)
@given(STEPS)
@example(["seek"] * 6)
def test_no_record_of_another_place_is_handed_on_and_none_that_has_no_room(folder: Path, steps: list[str]) -> None:
    asyncio.run(live(steps, folder))


async def test_the_group_is_told_the_stored_positions(folder: Path) -> None:
    consumer, taker = made(folder)
    taker.stored = {0: 5, 1: 0}
    assert consumer._filter_committable_offsets([]) == {AT: 5, TP(TOPIC.name, 1): 0}
    consumer._committed_offset[AT] = 5
    consumer._committed_offset[TP(TOPIC.name, 1)] = 0
    assert consumer._filter_committable_offsets([]) == {}
    taker.stored = {0: 6, 1: 0}
    assert consumer._filter_committable_offsets([]) == {AT: 6}
