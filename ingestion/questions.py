"""Look-ups that many requests need at once, as after a start: what is being asked for already is not asked again."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Questions(Generic[K, V]):
    """Keys -> the values of those that are there, by `ask`."""

    def __init__(self, ask: Callable[[list[K]], Awaitable[dict[K, V]]]) -> None:
        self._ask = ask
        self._under_way: dict[K, asyncio.Task[dict[K, V]]] = {}

    async def find(self, keys: Collection[K]) -> dict[K, V]:
        """Those of these keys that are there, perhaps with others that were asked for together. Raises what `ask` does.

        Whoever asked first may be called off: the question is not, since others wait for its answer.
        """
        if new := [key for key in keys if key not in self._under_way]:
            asking = asyncio.create_task(self._answered(new))
            self._under_way |= dict.fromkeys(new, asking)
            asking.add_done_callback(_heard)
        questions = {self._under_way[key] for key in keys}
        if questions:
            await asyncio.wait(questions)
        return {key: value for question in questions for key, value in question.result().items()}

    async def _answered(self, keys: list[K]) -> dict[K, V]:
        try:
            return await self._ask(keys)
        finally:
            for key in keys:
                del self._under_way[key]


def _heard(question: asyncio.Task[dict[K, V]]) -> None:
    """Its error is known, even where everyone who waited was called off."""
    if not question.cancelled():
        question.exception()
