"""What Faust is kept from: ending its look at assignments, and standing still for good."""

import asyncio
from pathlib import Path

import pytest
from pydantic import SecretStr

from streams import app as of_app
from streams.app import Streams, build
from streams.doors import Doors
from streams.runner import Runner
from streams.stretches import Stretches
from tests.streams.test_runner import Numbers
from wire.settings import Settings


@pytest.fixture
async def runner(doors: Doors, tmp_path: Path) -> Runner:
    async def same() -> Doors:
        return doors

    async def epoch() -> int:
        return 1

    return Runner(Numbers(), same, epoch, Stretches("t", 5, tmp_path / "stopped"))


@pytest.fixture
def app(runner: Runner, tmp_path: Path) -> Streams:
    async def nothing() -> None: ...

    settings = Settings(kafka_url=SecretStr("kafka://127.0.0.1:1"), state_dir=tmp_path)
    return build(settings, [runner], on_assigned=lambda: None, on_stopped=nothing, broker_answers=nothing)


async def test_an_assignment_may_take_longer_than_fausts_limit(app: Streams) -> None:
    done: list[bool] = []

    async def long() -> None:
        await asyncio.sleep(0.1)
        done.append(True)

    await app.tables.recovery._wait(long(), timeout=0.01)
    assert done == [True]


class EndedError(Exception):
    """Instead of the process."""


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> None:
    def end(code: int) -> None:
        raise EndedError(code)

    monkeypatch.setattr(of_app, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(of_app, "STUCK_S", 0.06)
    monkeypatch.setattr(of_app.os, "_exit", end)


async def stands_for(app: Streams, seconds: float) -> None:
    await asyncio.wait_for(app._end_where_stuck(), seconds)


@pytest.mark.usefixtures("ends")
async def test_a_rebalance_that_does_not_end_ends_the_process(app: Streams) -> None:
    app.rebalancing, app.rebalancing_count = True, 1
    with pytest.raises(EndedError, match="70"):
        await stands_for(app, 5)


@pytest.mark.usefixtures("ends")
async def test_it_is_no_standstill_without_a_rebalance_nor_while_stores_or_broker_are_waited_for(
    app: Streams, runner: Runner
) -> None:
    with pytest.raises(TimeoutError):
        await stands_for(app, 0.3)

    app.rebalancing, app.rebalancing_count = True, 1
    stores = asyncio.create_task(asyncio.sleep(60, {}))
    runner._beginning = stores
    with pytest.raises(TimeoutError):
        await stands_for(app, 0.3)
    stores.cancel()

    async def never() -> None:
        await asyncio.Event().wait()

    runner._beginning, app.broker_answers = None, never
    with pytest.raises(TimeoutError):
        await stands_for(app, 0.3)


async def test_once_all_is_stored_and_not_before_the_process_ends_though_faust_does_not(
    app: Streams, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: asyncio.Queue[int] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(of_app, "ENDING_S", 0.01)
    monkeypatch.setattr(of_app.os, "_exit", lambda code: loop.call_soon_threadsafe(ended.put_nowait, code))
    stored, never = asyncio.Event(), asyncio.Event()
    monkeypatch.setattr(runner, "stop", stored.wait)
    monkeypatch.setattr(app, "on_stopped", never.wait)
    stopping = asyncio.create_task(app.on_stop())
    await asyncio.sleep(0.2)
    assert ended.empty()
    stored.set()
    assert await ended.get() == 0
    stopping.cancel()
