"""Many messages at once, but each key's one after another."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Hashable, Iterable
from typing import TypeVar

from wire.errors import Transient

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


async def send_in_order(
    items: Iterable[T], key: Callable[[T], K], send: Callable[[T], Awaitable[None]]
) -> tuple[list[T], dict[K, Transient]]:
    """Send everything, one item of a key at a time; a key's first failure stops the later items of that key.

    Answers what was sent, in the order in which that was confirmed, and the error of each key that failed. Any other
    error than Transient is raised (in an ExceptionGroup).
    """
    lanes: dict[K, list[T]] = defaultdict(list)
    for item in items:
        lanes[key(item)].append(item)
    sent: list[T] = []
    failures: dict[K, Transient] = {}

    async def run(lane: K) -> None:
        for item in lanes[lane]:
            try:
                await send(item)
            except Transient as error:
                failures[lane] = error
                return
            sent.append(item)

    async with asyncio.TaskGroup() as tasks:
        for lane in lanes:
            tasks.create_task(run(lane))
    return sent, failures
