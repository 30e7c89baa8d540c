"""`tallywire verify --every TIME`: everything compared again and again, the result on /metrics and in a file."""

import asyncio
import re
import signal
import time
from pathlib import Path
from typing import Final

import structlog

from stack import verified
from stack.commands.verify import look, sentence
from stack.errors import Refused
from stack.log.stretches import Read
from stack.verified import Result
from stack.verify import LOG, Outcome
from wire import telemetry
from wire.errors import Transient
from wire.settings import settings

SOON_S: Final = 20.0
"""After a start, until the others are there; and after a time when a store did not answer."""
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600}


def seconds(text: str) -> int:
    """90s, 15m, 2h, or `setting`. Raises Refused for anything else."""
    given = settings().verify_every if text == "setting" else text
    if not (found := re.fullmatch(r"([1-9][0-9]*)([smh])", given)):
        raise Refused(f"--every {given} is no time: write 90s, 15m or 2h")
    return int(found[1]) * _SECONDS[found[2]]


def for_ever(every: str, wait_s: float) -> None:
    """Compare until SIGTERM or SIGINT; what was read of the log is remembered from one time to the next."""
    every_s = seconds(every)
    telemetry.start("stack")

    async def run() -> None:
        running = asyncio.create_task(_run(every_s, wait_s))
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, running.cancel)
        await asyncio.wait([running])
        if not running.cancelled():
            running.result()

    asyncio.run(run())


async def _run(every_s: int, wait_s: float) -> None:
    log = structlog.stdlib.get_logger("stack.verify")
    folder = settings().state_dir
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{settings().worker_name}.ready").touch()
    read = Read()
    await asyncio.sleep(min(SOON_S, every_s))
    while True:
        try:
            result = result_of(await look(settings(), read, wait_s, every=False), time.time())
        except Transient as error:
            result = Result(at=time.time(), failed=str(error))
        show(result, folder)
        log.log(20 if not (result.differences or result.failed) else 40, "compared", result=str(result))
        await asyncio.sleep(pause_s(result, every_s))


def pause_s(result: Result, every_s: float) -> float:
    """Seconds until the next comparison: soon where nothing could be compared."""
    return min(SOON_S, every_s) if result.failed else every_s


def result_of(outcome: Outcome, at: float) -> Result:
    """An outcome in numbers."""
    first = sentence(outcome.differences[0]) if outcome.differences else ""
    return Result(
        at=at,
        figures=outcome.figures,
        events=outcome.compared[LOG],
        differences=len(outcome.differences),
        waiting=outcome.waiting,
        first=first,
    )


def show(result: Result, folder: Path) -> None:
    """Set the gauges, and write the result where `tallywire status` finds it."""
    verified.write(folder, result)
    if result.failed:
        return
    telemetry.VERIFY_DIFFERENCES.set(result.differences)
    telemetry.VERIFY_FIGURES.set(result.figures)
    telemetry.VERIFY_EVENTS.set(result.events)
    telemetry.VERIFY_WAITING.set(result.waiting)
    telemetry.VERIFY_LAST_RUN.set(result.at)
    if not result.differences:
        telemetry.VERIFY_LAST_SUCCESS.set(result.at)
