"""Child processes: born in their own group, bound to die with the supervisor, and recognised without doubt."""

import asyncio
import os
import signal
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from stack.state import Process


def boot_id() -> str:
    """Changes with every boot of the machine, as the counting of `born` does."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def born(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None where it is gone or only waits to be reaped."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def lives(process: Process | None) -> bool:
    """Whether this very process still runs."""
    return process is not None and born(process.pid) == process.born


async def spawn(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    log: Path,
    folder: Path,
    death_signal: signal.Signals = signal.SIGTERM,
    privileges: Sequence[str] = (),
) -> asyncio.subprocess.Process:
    """Start a command in a session of its own; it gets `death_signal` when the supervisor dies, however it dies.

    `privileges` are further options of setpriv. Must be called from the main thread: the kernel watches the thread.
    """
    wrapped = ("setpriv", "--pdeathsig", death_signal.name.removeprefix("SIG"), *privileges, "--", *command)
    with log.open("ab") as out:
        return await asyncio.create_subprocess_exec(
            *wrapped,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd=folder,
            env=dict(environment),
            start_new_session=True,
        )


def signal_group(pid: int, number: signal.Signals) -> None:
    """Signal every process of a child's group; a group that is gone is fine."""
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        return


def end_leftovers(left: Iterable[Process], *, seconds: float = 15) -> int:
    """End children that outlived their supervisor, politely first; answers how many there were."""
    alive = [process for process in left if lives(process)]
    found = len(alive)
    for process in alive:
        os.kill(process.pid, signal.SIGTERM)
    end = time.monotonic() + seconds
    while alive and time.monotonic() < end:
        time.sleep(0.1)
        alive = [process for process in alive if lives(process)]
    for process in alive:
        signal_group(process.pid, signal.SIGKILL)
    return found
