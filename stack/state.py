"""`run/state.json`: what runs where. The supervisor alone writes it; every command reads it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Literal

import msgspec

from stack.errors import Refused
from stack.folder import Folder
from stack.keyring import write_private

Phase = Literal["starting", "ready", "stopping", "stopped", "failed"]
Condition = Literal["waiting", "starting", "ready", "restarting", "stopped", "external"]


class Process(msgspec.Struct, frozen=True):
    """A process that cannot be mistaken for another: `born` is its start in clock ticks since boot."""

    pid: int
    born: int


class ChildState(msgspec.Struct, kw_only=True):
    """One server or service."""

    condition: Condition = "waiting"
    process: Process | None = None
    address: str = ""
    started_at: datetime | None = None
    ready_after_s: float | None = None
    restarts: int = 0


class State(msgspec.Struct, kw_only=True):
    """The whole system. `environment` is what the children get: it holds secrets; `given` names the
    variables in it that were not our choice."""

    phase: Phase = "starting"
    message: str = ""
    supervisor: Process | None = None
    boot: str = ""
    started_at: datetime | None = None
    kafka: str = "tansu"
    ports: dict[str, int] = {}
    environment: dict[str, str] = {}
    given: list[str] = []
    children: dict[str, ChildState] = {}
    notes: list[str] = []


def read(folder: Folder) -> State | None:
    """What was last written, or None where nothing ever ran."""
    try:
        return msgspec.json.decode(folder.state.read_bytes(), type=State)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise Refused(f"{folder.state} is damaged ({error}); remove it, ports may be chosen anew") from error


def write(folder: Folder, state: State) -> None:
    """Write it whole, mode 0600."""
    write_private(folder.state, msgspec.json.format(msgspec.json.encode(state), indent=1).decode())


@contextmanager
def hold(folder: Folder) -> Iterator[None]:
    """Be the one supervisor of this folder. Raises Refused where another is."""
    with folder.lock.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Refused(f"Another supervisor runs on {folder.root}: see `tallywire status`") from error
        yield


def is_running(folder: Folder) -> bool:
    """Whether a supervisor holds the folder."""
    if not folder.lock.exists():
        return False
    with folder.lock.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def this_process() -> Process:
    """The calling process."""
    from stack.processes import born

    return Process(os.getpid(), born(os.getpid()) or 0)
