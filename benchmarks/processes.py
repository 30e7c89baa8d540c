"""CPU and memory of other processes, from /proc; and which core a process may use."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import psutil

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time of these processes so far, all threads; in steps of 10 ms."""
    return sum(map(_cpu_seconds, pids))


def rss_mb(pid: int) -> float:
    """The most memory that a process has had."""
    told = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(told["VmHWM"].split()[0]) / 1024


def private_mb(pid: int) -> float:
    """What a process and its children hold now that is nobody else's. The pages of files are not counted: the kernel
    takes them back when it likes."""
    of = psutil.Process(pid)
    held = [each.memory_info() for each in (of, *of.children(recursive=True))]
    return sum(each.rss - each.shared for each in held) / (1 << 20)


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND


def measured_core() -> int:
    """The core for what is measured."""
    return 0


def placed(told: Mapping[str, Any], *command: str) -> list[str]:
    """A command that may only use that core, unless the task says `any_core`."""
    return list(command) if told.get("any_core") else ["taskset", "-c", str(measured_core()), *command]


def use_cores(*, all_of_them: bool) -> None:
    """Let this process, and what it starts, use every core, or every core but the measured one where there is one."""
    every = set(range(os.cpu_count() or 1))
    os.sched_setaffinity(0, every if all_of_them else every - {measured_core()} or every)
