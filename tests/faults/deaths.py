"""Processes that die, stop, come back, or lose their files."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterable
from pathlib import Path

from tests.faults.machine import SERVICES, Machine
from tests.faults.trial import PROGRESS_AFTER_DEATH_S, PROGRESS_S, Trial


async def kill(trial: Trial, name: str) -> None:
    """kill -9, and again a little later."""
    for _ in range(2):
        await asyncio.sleep(trial.random.uniform(0.2, 2))
        await trial.machine.kill(name)
    await trial.progress(PROGRESS_AFTER_DEATH_S)


async def freeze(trial: Trial, name: str) -> None:
    """Stopped, and woken as though nothing had been."""
    await trial.machine.freeze(name, 30 if trial.long else trial.random.uniform(4, 8))
    await trial.progress(PROGRESS_AFTER_DEATH_S)


async def kill_everything(trial: Trial) -> None:
    """As when the power fails, without the disk's part in it."""
    names = [*SERVICES, "postgres", "valkey", "rabbitmq", "clickhouse"]
    names += ["kafka"] if trial.machine.kafka == "apache" else []
    await asyncio.gather(*(trial.machine.kill(name) for name in names))
    await trial.progress(PROGRESS_AFTER_DEATH_S)


async def roll(trial: Trial) -> None:
    """SIGTERM to every service, one after the other, as a deployment does; readers meet no error but 503."""
    for name in SERVICES:
        await trial.machine.kill(name, signal.SIGTERM)
    await trial.progress(PROGRESS_S)


async def kill_workers_every_5_s(trial: Trial) -> None:
    """Workers that come and die by kill -9, each in the middle of its work, beside one that lives."""
    for _ in range(8 if trial.long else 2):
        async with trial.machine.beside("streams") as worker:
            await asyncio.sleep(5)
            worker.process.kill()
            await worker.process.wait()
    await trial.progress(PROGRESS_AFTER_DEATH_S)


async def zombie(trial: Trial) -> None:
    """One of two workers stands still until the other has taken its partitions, and wakes up in the middle of it."""
    async with trial.machine.beside("streams") as worker:
        os.kill(worker.process.pid, signal.SIGSTOP)
        await asyncio.sleep(30 if trial.long else 14)
        await trial.progress(PROGRESS_AFTER_DEATH_S)
        os.kill(worker.process.pid, signal.SIGCONT)
        await trial.progress(PROGRESS_AFTER_DEATH_S)


async def rebalance(trial: Trial) -> None:
    """Workers 1-4-1, and again; each time everything accepted is counted within 15 s."""
    for _ in range(3 if trial.long else 1):
        async with contextlib.AsyncExitStack() as workers:
            await asyncio.gather(*(workers.enter_async_context(trial.machine.beside("streams")) for _ in range(3)))
            await trial.progress(PROGRESS_S)
        await trial.progress(PROGRESS_S)


# -- Redis


async def redis_emptied(trial: Trial) -> None:
    """Killed, and its files gone; then emptied while it runs."""
    folder = trial.machine.folder / "servers" / "valkey"
    await trial.machine.restart_empty("valkey", lambda: shutil.rmtree(folder / "appendonlydir"))
    await asyncio.sleep(2)
    await trial.stores.empty_redis()
    await asyncio.sleep(1)


async def redis_cut(trial: Trial) -> None:
    """The end of its log was never written; then a clean restart, which reads that log again."""
    folder = trial.machine.folder / "servers" / "valkey" / "appendonlydir"
    for _ in range(3 if trial.long else 1):
        lost = trial.random.randrange(1, 30_000)
        await trial.machine.restart_empty("valkey", lambda lost=lost: _cut(folder.glob("*.incr.aof"), lost))
        await asyncio.sleep(1)
        await trial.machine.kill("valkey", signal.SIGTERM)


def _cut(files: Iterable[Path], lost_bytes: int) -> None:
    last = max(files, key=lambda file: file.stat().st_mtime)
    os.truncate(last, max(0, last.stat().st_size - lost_bytes))


# -- who is there and refuses


async def refuse(trial: Trial, name: str) -> None:
    """One way of refusing after another; who meets it waits, and dies of none."""
    pids = {service: trial.machine.pid(service) for service in SERVICES}
    for refuses in trial.stores.refusals(name):
        async with refuses:
            await asyncio.sleep(30 if trial.long else 4)
        await asyncio.sleep(1)
    await trial.progress(PROGRESS_AFTER_DEATH_S)
    died = [service for service, pid in pids.items() if trial.machine.pid(service) != pid]
    assert trial.several or not died, f"{', '.join(died)} died of it"
    assert name != "valkey" or await trial.stores.forgotten() == 0, "Redis has forgotten keys"


# -- clocks


async def clocks(trial: Trial) -> None:
    """A collector and a stream worker whose clocks step an hour ahead and an hour back while they work."""
    library, offset = faketime(trial.machine), trial.machine.folder / "clock"
    offset.write_text("+0")
    clock = {"LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(offset), "FAKETIME_NO_CACHE": "1"}
    clock["FAKETIME_DONT_FAKE_MONOTONIC"] = "1"
    trial.load.skewed = True
    async with trial.machine.beside("streams", **clock), trial.machine.beside("ingestion", **clock) as collector:
        trial.load.doors.append(collector.address)
        for seconds in ("+3600", "-3600", "+60", "+0"):
            offset.write_text(seconds)
            await asyncio.sleep(10 if trial.long else 2)
        trial.load.doors.pop()
        await trial.progress(PROGRESS_AFTER_DEATH_S)


def faketime(machine: Machine) -> Path:
    """Debian's libfaketime, unpacked."""
    folder = machine.folder / "faketime"
    if not folder.exists():
        folder.mkdir()
        subprocess.run(["apt-get", "download", "-q", "libfaketime"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        (package,) = folder.glob("*.deb")
        subprocess.run(["dpkg", "-x", str(package), str(folder)], check=True)
    (library,) = folder.glob("usr/lib/*/faketime/libfaketimeMT.so.1")
    return library


# -- links


async def cut(trial: Trial, link: str) -> None:
    """Every connection reset, every second."""
    await trial.machine.links[link].cut_every(1.0, for_s=30 if trial.long else 6)
    await trial.progress(PROGRESS_AFTER_DEATH_S)


async def slow(trial: Trial, link: str) -> None:
    """Late by 2 s, then 10 kB/s, then in slices, then nothing arrives at all."""
    bad = trial.machine.links[link]
    each_s = 15 if trial.long else 2
    for fields in ({"latency_s": 2.0}, {"bytes_per_s": 10_000.0}, {"slice_bytes": 97}):
        for name, value in fields.items():
            setattr(bad, name, value)
        await asyncio.sleep(each_s)
        bad.mend()
    bad.stop()
    await asyncio.sleep(each_s)
    bad.mend()
    await trial.progress(PROGRESS_AFTER_DEATH_S)
