"""One child and its fate, with real processes."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from stack import processes
from stack.child import Child, Stage
from stack.environment import own
from stack.errors import Refused
from stack.folder import Folder
from stack.keeper import Keeper

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder(tmp_path)
    made.logs.mkdir()
    return made


@asynccontextmanager
async def kept(folder: Folder, child: Child, told: list[str]) -> AsyncIterator[Keeper]:
    """A keeper at work; `told` gets `lost` and `back`."""

    async def lost(_: Child) -> None:
        told.append("lost")

    async def back(_: Child) -> None:
        told.append("back")

    keeper = Keeper(child, folder, own(), changed=lambda: None, lost=lost, back=back)
    task = asyncio.create_task(keeper.keep())
    try:
        yield keeper
    finally:
        await keeper.stop()
        task.cancel()
        await asyncio.wait([task])


async def until(condition: Callable[[], bool]) -> None:
    """Waits until the condition holds."""
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come about")


def written(folder: Folder) -> str:
    """Everything in the logs."""
    return "".join(log.read_text() for log in folder.logs.iterdir())


async def test_a_killed_child_starts_again_and_its_neighbours_are_told(folder: Folder) -> None:
    told: list[str] = []
    async with kept(folder, Child("sleeper", ("sleep", "60"), Stage.WORKERS), told) as keeper:
        await keeper.ready.wait()
        first = keeper.state.process
        assert first is not None
        processes.signal_group(first.pid, signal.SIGKILL)
        await until(lambda: keeper.state.restarts == 1 and keeper.ready.is_set())
        assert keeper.state.process != first
        assert told == ["back", "lost", "back"]
    assert not processes.lives(keeper.state.process)


async def test_a_paused_child_stays_stopped_until_it_is_resumed(folder: Folder) -> None:
    async with kept(folder, Child("sleeper", ("sleep", "60"), Stage.WORKERS), []) as keeper:
        await keeper.ready.wait()
        await keeper.pause()
        assert not processes.lives(keeper.state.process)
        await asyncio.sleep(0.7)
        assert keeper.state.condition == "stopped"
        keeper.resume()
        await asyncio.wait_for(keeper.ready.wait(), 5)
        assert keeper.state.restarts == 0


async def test_a_child_that_does_not_listen_is_killed_with_its_children(folder: Folder, tmp_path: Path) -> None:
    script = f"import subprocess, sys; subprocess.Popen(['sleep', '61.25']); {STUBBORN}"
    child = Child("stubborn", (sys.executable, "-c", script), Stage.WORKERS, stop_seconds=0.3)
    async with kept(folder, child, []) as keeper:
        await until(lambda: "up" in written(folder))
        await keeper.pause()
        assert not processes.lives(keeper.state.process)
    assert not any("61.25" in words for words in command_lines())


def command_lines() -> list[str]:
    """What runs on this machine."""
    import psutil

    found = psutil.process_iter(["cmdline", "status"])
    return [" ".join(p.info["cmdline"] or ()) for p in found if p.info["status"] != psutil.STATUS_ZOMBIE]


async def test_what_is_not_ready_in_time_is_given_up_with_a_reason(folder: Folder) -> None:
    async def never() -> None:
        raise ValueError("still asleep")

    child = Child("late", ("sh", "-c", "echo yawning; sleep 60"), Stage.WORKERS, ready=never, ready_seconds=0.5)
    folder.log("late").write_text("of an earlier run\n")
    keeper = Keeper(child, folder, own(), changed=lambda: None, lost=lost_nothing, back=lost_nothing)
    with pytest.raises(Refused, match=r"late was not ready within 0 s \(still asleep\)(.|\n)*yawning") as refused:
        await keeper.keep()
    assert "earlier" not in str(refused.value)
    assert not processes.lives(keeper.state.process)


async def lost_nothing(_: Child) -> None:
    """Nobody needs it."""


async def test_what_is_withheld_does_not_reach_the_child(folder: Folder) -> None:
    child = Child(
        "curious",
        ("sh", "-c", "env; sleep 60"),
        Stage.WORKERS,
        environment={"TALLYWIRE_POSTGRES_URL": "secret-owner", "TALLYWIRE_API_URL": "known"},
        withheld=frozenset({"TALLYWIRE_POSTGRES_URL"}),
    )
    async with kept(folder, child, []):
        await until(lambda: "known" in written(folder))
        assert "secret-owner" not in written(folder)
