"""Where all input of a stretch is bad it is not the input that is to blame: processing stops, and says so.

A bad message is set aside and the next one comes. But a partition in which one after the other is bad has met a writer
or a reader that is broken, and setting aside would empty the log into the rejections. How many were refused in a row is
a function of the log and of what was set aside, so a restart goes on counting: it stops at the first bad message, and
goes on where that can be read now.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import structlog
from clickhouse_connect.driver.client import Client

from streams.messages import Message
from streams.retry import until_done
from streams.sql import question
from wire.errors import Poison
from wire.telemetry import STOPPED

Refused = Sequence[tuple[Message, Poison]]
"""Messages that are to be set aside whole, and why."""
Admit = Callable[[Refused], None]
"""Called by a processor with what it is about to set aside, before it does anything. Raises Stretch."""


def anything(_: Refused) -> None:
    """Admits whatever is refused."""


class Stretch(Exception):
    """So much in a row is bad that only the messages `before` it may be processed."""

    def __init__(self, before: list[Message]) -> None:
        super().__init__("all input of a stretch is bad")
        self.before = before


REMEDY: Final = (
    "Nothing is lost. See `tallywire rejections`, mend what writes or reads it, and start streams again;"
    " or let all that is bad be set aside: TALLYWIRE_STREAMS_BAD_IN_A_ROW=0."
)
_log = structlog.stdlib.get_logger("streams.stretches")


class Stretches:
    """How many messages of each partition were refused in a row; after `most` of them another one stops the processing,
    0 never does. `marker` is a file that is there while it is stopped, and says why."""

    def __init__(self, topic: str, most: int, marker: Path) -> None:
        self._topic = topic
        self._most = most
        self._marker = marker
        self._runs: dict[int, int] = {}
        self.going = asyncio.Event()

    @property
    def most(self) -> int:
        """How many in a row are set aside."""
        return self._most

    def begin(self, runs: Mapping[int, int]) -> None:
        """These partitions come next, after so many refused messages in a row each."""
        self._runs = dict(runs)
        self.going.set()
        STOPPED.labels(self._topic).set(0)
        self._marker.unlink(missing_ok=True)

    def admit(self, messages: Iterable[Message], refused: Refused) -> None:
        """These are to be processed, those of them set aside. Raises Stretch, and is stopped, where too many are."""
        why = {(message.partition, message.offset): poison for message, poison in refused}
        before: list[Message] = []
        over: dict[int, tuple[Message, Poison]] = {}
        for message in messages:
            run, poison = self._runs.get(message.partition, 0), why.get((message.partition, message.offset))
            if message.partition in over:
                continue
            if poison and 0 < self._most <= run:
                over[message.partition] = message, poison
            else:
                self._runs[message.partition] = run + 1 if poison else 0
                before.append(message)
        if over:
            self._stop(list(over.values()))
            raise Stretch(before)

    def _stop(self, at: Refused) -> None:
        self.going.clear()
        STOPPED.labels(self._topic).set(1)
        lines = [f"{of.topic}/{of.partition} stands still at offset {of.offset}: {poison}." for of, poison in at]
        told = f"{self._topic} is not read any more: {self._most} messages in a row were bad. {REMEDY}"
        self._marker.write_text("\n".join([told, *lines]) + "\n")
        _log.error(told, at=lines)


async def refused_before(clickhouse: Client, topic: str, next_offsets: Mapping[int, int], most: int) -> dict[int, int]:
    """Partition -> how many messages in a row were set aside just before where it goes on; no more than `most`."""
    sources = {f"{topic}/{partition}": (partition, offset) for partition, offset in next_offsets.items()}
    asked = {"sources": list(sources), "offsets": [offset for _, offset in sources.values()], "most": most}

    async def ask() -> dict[str, list[int]]:
        found = await asyncio.to_thread(clickhouse.query, question("refused_before"), asked)
        return {row[0]: row[1] for row in found.result_rows}

    places = await until_done("rejections", ask) if most and sources else {}
    return {partition: run_of(places.get(source, ()), offset) for source, (partition, offset) in sources.items()}


def run_of(places: Iterable[int], offset: int) -> int:
    """How many of these places end, without a gap, just before an offset."""
    run = 0
    for place in sorted(set(places), reverse=True):
        if place != offset - 1 - run:
            break
        run += 1
    return run
