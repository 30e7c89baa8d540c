"""Two workers that both take a partition for theirs: every call to a store waits for its turn, in whatever order.

One was assigned the partition, and does not know that another was since; each flushes and settles, dies in the middle,
begins anew. What readers see never goes back, and in the end every figure is exact.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from streams import accounts, engagement, positions, rejections, stretches
from streams.doors import Doors
from streams.engagement import EngagementProcessor
from streams.messages import Message
from streams.retry import until_done
from streams.runner import Runner
from streams.sinks import counters as of_counters
from streams.sinks import ledger as of_ledger
from streams.stretches import Stretches
from tests.streams.test_engagement import NOW_MS, Figures, counters_of, figures_of, message
from tests.streams.test_engagement import Event as Read
from tests.streams.test_runner import Record
from wire import counters, ids
from wire.commands import RecordEngagement
from wire.events import KINDS
from wire.topics import EVENTS

PARTITION: Final = 3
CONTENTS: Final = [
    id_ for id_ in map(UUID, map("{:032x}".format, range(1, 200))) if ids.partition(id_, 12) == PARTITION
][:3]
OWNERS: Final = ("one", "other")
OWNER: ContextVar[str] = ContextVar("owner")
STORES: Final = (accounts, engagement, positions, rejections, stretches, of_counters, of_ledger)
EPOCHS: Final = count(1_785_000_000)


class Turns:
    """Calls to stores by those who have an owner's name wait here."""

    def __init__(self) -> None:
        self.waiting: dict[str, list[asyncio.Future[None]]] = defaultdict(list)
        self.open = False

    async def until_done(self, what: str, attempt: Callable[[], Awaitable[Any]]) -> Any:
        owner = OWNER.get("")
        if owner and not self.open:
            turn = asyncio.get_running_loop().create_future()
            self.waiting[owner].append(turn)
            await turn
        return await until_done(what, attempt)

    def let_go(self, owner: str, which: int) -> None:
        waiting = [turn for turn in self.waiting[owner] if not turn.done()]
        if waiting:
            waiting[which % len(waiting)].set_result(None)
        self.waiting[owner] = [turn for turn in waiting if not turn.done()]


class Producer:
    """The real one, and what was told to PostgreSQL: of each piece the largest version."""

    def __init__(self, real: Any) -> None:
        self._real = real
        self.told: dict[UUID, tuple[int, dict[tuple[str, str], tuple[int, int, int]]]] = {}

    async def send_and_wait(self, topic: str, value: bytes, key: bytes) -> None:
        await self._real.send_and_wait(topic, value, key)
        payload = msgspec.json.encode(msgspec.json.decode(value)["payload"])
        for each in msgspec.json.decode(payload, type=RecordEngagement).updates:
            cells = {(c.platform, c.kind): (c.count, c.robots, c.value) for c in each.cells}
            held = self.told.setdefault(each.content_id, (each.version, cells))
            if each.version == held[0]:
                assert cells == held[1], "one version, two figures"
            self.told[each.content_id] = max(held, (each.version, cells), key=lambda of: of[0])


class Owner:
    """A worker's runner without its timers: what it does next is decided elsewhere."""

    def __init__(self, name: str, doors: Doors, epoch: int, log: list[Message], folder: Path) -> None:
        self.name, self._doors, self._epoch, self._log, self._folder = name, doors, epoch, log, folder
        self.doing: dict[str, asyncio.Task[Any]] = {}
        self.is_born = False

    async def _begin(self) -> None:
        if not self.is_born:

            async def same() -> Doors:
                return self._doors

            async def epoch() -> int:
                return self._epoch

            self.processor = EngagementProcessor()
            self.runner = Runner(self.processor, same, epoch, Stretches(EVENTS.name, 20, self._folder / self.name))
            self.runner.doors = self._doors
            await self.processor.start(self._doors)
            self.is_born = True
        await self.runner.assigned({PARTITION})

    async def _flush(self, size: int) -> None:
        at = self.runner.progress[PARTITION][0]
        records = [Record(PARTITION, m.offset, NOW_MS, value=m.value) for m in self._log[at : at + size]]
        await self.runner.flush(records)

    async def _settle(self) -> None:
        await self.runner._settle()

    def start(self, what: str, size: int = 3) -> None:
        """What can be begun now; nothing else."""
        busy = {name for name, task in self.doing.items() if not task.done()}
        works = self.is_born and PARTITION in self.runner.progress
        if what == "die":
            for task in self.doing.values():
                task.cancel()
            self.doing, self.is_born = {}, False
            self.start("begin")
        elif what in busy or "begin" in busy or (what != "begin" and not works):
            return
        else:
            OWNER.set(self.name)
            doing = {"begin": self._begin, "settle": self._settle, "flush": lambda: self._flush(size)}
            self.doing[what] = asyncio.create_task(doing[what]())
            OWNER.set("")

    async def done(self) -> None:
        await asyncio.gather(*self.doing.values())


reads = st.builds(
    lambda content, number, minute, kind, robot, value: Read(
        CONTENTS[content], ids.id_at(NOW_MS - minute * 60_000, str(number)), kind, "web", robot, value
    ),
    st.integers(0, 2),
    st.integers(0, 9),
    st.integers(0, 1),
    st.sampled_from(KINDS[:2]),
    st.booleans(),
    st.integers(0, 9),
)
steps = st.tuples(
    st.sampled_from(OWNERS),
    st.sampled_from(["begin", "die", *["flush"] * 6, *["settle"] * 3, *["turn"] * 24]),
    st.integers(0, 3),
)


def counted(log: list[list[Read]]) -> Figures:
    """By hand: of an id the first one in the log."""
    firsts = {(read.content, read.id): read for reads in reversed(log) for read in reversed(reads)}
    figures: Figures = {}
    for read in firsts.values():
        at = (read.content, ids.time_ms(read.id) // 60_000, read.platform, read.kind)
        held = figures.get(at, (0, 0, 0))
        figures[at] = held[0] + 1, held[1] + read.robot, held[2] + read.value
    return figures


def totals(figures: Figures, content: UUID) -> dict[tuple[str, str], tuple[int, ...]]:
    sums: dict[tuple[str, str], tuple[int, ...]] = {}
    for (of, _, platform, kind), figure in figures.items():
        if of == content:
            held = sums.get((platform, kind), (0, 0, 0))
            sums[platform, kind] = tuple(a + b for a, b in zip(held, figure, strict=True))
    return sums


@settings(
    max_examples=8,
    phases=[Phase.generate],  # a plan of 150 turns on real stores is not made smaller in reasonable time
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # each example has its own log and organization
)
@given(
    sent=st.lists(st.lists(reads, min_size=1, max_size=4), min_size=6, max_size=12),
    plan=st.lists(steps, min_size=150, max_size=150),
)
async def test_whoever_comes_first_in_whatever_order_figures_are_exact_and_never_go_back(
    doors: Doors,
    sent: list[list[Read]],
    plan: list[tuple[str, str, int]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    organization, epoch, turns, producer = uuid4(), next(EPOCHS), Turns(), Producer(doors.producer)
    await doors.redis.flushdb()
    mine = replace(doors, producer=producer)
    with monkeypatch.context() as patched:
        for module in STORES:
            patched.setattr(module, "until_done", turns.until_done)
        log = [message(organization, PARTITION, at, reads) for at, reads in enumerate(sent)]
        owners = {name: Owner(name, mine, epoch, log, tmp_path) for name in OWNERS}
        seen = (b"", 0)
        turns.open = True
        for name in OWNERS:
            owners[name].start("begin")
            await owners[name].done()
        turns.open = False
        for name, what, number in plan:
            if what == "turn":
                turns.let_go(name, number)
            else:
                owners[name].start(what, number)
            await asyncio.sleep(0.002)
            now = await state(doors, organization)
            assert all(a <= b for a, b in zip(seen, now, strict=True)), "something went back"
            seen = now
        turns.open = True
        for name in OWNERS:
            for turn in turns.waiting[name]:
                if not turn.done():
                    turn.set_result(None)
            await owners[name].done()
        last = Owner("last", mine, epoch, log, tmp_path)
        for what in ("begin", *["flush"] * len(log), "settle"):
            last.start(what)
            await last.done()
    expected = counted(sent)
    assert await positions.load(doors.clickhouse, EVENTS.name, epoch) == {PARTITION: len(log)}
    assert await figures_of(doors, "engagement_events", organization) == expected
    assert await figures_of(doors, "engagement_minutes", organization) == expected
    for content in {at[0] for at in expected}:
        piece = counters.piece_field(organization, content)
        assert await counters_of(doors, counters.totals_key(PARTITION), piece) == totals(expected, content)
        assert producer.told[content][1] == totals(expected, content)


async def state(doors: Doors, organization: UUID) -> tuple[bytes, int]:
    """What must not go back: where the counters stand, and what they say in all."""
    pieces = [counters.piece_field(organization, content) for content in CONTENTS]
    async with doors.redis.pipeline() as both:
        both.get(counters.position_key(PARTITION))
        both.hmget(counters.totals_key(PARTITION), pieces)
        held, cells = await both.execute()
    return held or b"", sum(cell.count for of in cells if of for cell in counters.decode_cells(of))
