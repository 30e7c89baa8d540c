"""What the supervisor knows of a child: how it starts, when it is ready, how it stops, and who goes down with it."""

import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum


class Stage(IntEnum):
    """Children stop in this order, those of one stage together."""

    DOORS = 0
    WORKERS = 1
    SERVERS = 2
    LAST = 3


async def nothing() -> None:
    """No probe, or nothing to do."""


@dataclass(frozen=True)
class Child:
    """A program that the supervisor keeps alive.

    `ready` raises until the child can be used; `once_ready` then runs before anyone else uses it, after each start.
    `takes_down` names children that must be stopped before this one starts again, and start again after it.
    """

    name: str
    command: tuple[str, ...]
    stage: Stage
    address: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    withheld: frozenset[str] = frozenset()
    privileges: tuple[str, ...] = ()
    ready: Callable[[], Awaitable[None]] = nothing
    once_ready: Callable[[], Awaitable[None]] = nothing
    before_start: Callable[[], None] | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 15
    ready_seconds: float = 120
    takes_down: tuple[str, ...] = ()
