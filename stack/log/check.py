"""Has everything that was accepted been counted, and is the ledger what the log says?"""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from stack.figures import Counter, Figure, Place, Stores
from stack.log.reading import Log
from stack.log.sql import statement
from stack.log.stretches import Event, Read, Stretch, compare, events_of, read_on
from stack.verify import LOG, Difference, Outcome, Patience
from wire.topics import EVENTS, SNAPSHOTS, Topic

_NOBODY: Final = UUID(int=0)
COUNTED: Final = (EVENTS, SNAPSHOTS)
"""What becomes a figure."""


async def check(log: Log, stores: Stores, read: Read, patience: Patience, *, every: bool) -> Outcome:
    """Read the log on from where `read` ends, and compare it with the ledger; names the events of the first stretch
    that differs, or of every one. What waits in the log is given time to be counted, and then said.

    Raises Transient where Kafka does not answer.
    """
    outcome = Outcome()
    epoch = await log.epoch()
    if epoch is None:
        return outcome
    ends = await log.ends(COUNTED)
    stored = {topic.name: await positions(stores, topic, epoch) for topic in COUNTED}
    while (waiting := behind(ends, stored)) and await patience.pause():
        stored = {topic.name: await positions(stores, topic, epoch) for topic in COUNTED}
    outcome.waiting = waiting
    if read.epoch != epoch:
        read.begin(epoch)
    await read_on(log, stores.clickhouse, read, stored[EVENTS.name])
    outcome.compared[LOG] = read.events
    for stretch in (await compare(stores.clickhouse, read))[: None if every else 1]:
        events = await events_of(log, stores.clickhouse, epoch, stretch)
        outcome.differences += [_difference(stretch, event) for event in events] or [_unnamed(stretch)]
    return outcome


async def positions(stores: Stores, topic: Topic, epoch: int) -> dict[int, int]:
    """Partition -> the offset up to which every store has it; partitions of which nothing is stored are absent."""
    asked = {"topic": topic.name, "epoch": epoch}
    rows = (await stores.clickhouse.query(statement("positions"), parameters=asked)).result_rows
    return {int(partition): int(offset) for partition, offset in rows}


def behind(ends: Mapping[str, Mapping[int, int]], stored: Mapping[str, Mapping[int, int]]) -> int:
    """How many messages are in the log and not in every store."""
    return sum(
        max(0, end - stored[topic].get(partition, 0))
        for topic, partitions in ends.items()
        for partition, end in partitions.items()
    )


def _difference(stretch: Stretch, event: Event) -> Difference:
    platform, kind, *_ = event.log or event.ledger or ("", "")
    place = Place(Counter((event.organization_id, event.content_id)), platform, kind)
    said, held = _figure(event.log), _figure(event.ledger)
    what = f"; platform, kind, actor, attributes or position of event {event.id}" if said == held else ""
    return Difference(LOG, place, said, held, f"event {event.id}, {_where(stretch)}{what}")


def _unnamed(stretch: Stretch) -> Difference:
    """A stretch that differed and no longer does, or of which the log has been cut meanwhile."""
    nobody = Place(Counter((_NOBODY, _NOBODY)), "", "")
    return Difference(LOG, nobody, (stretch.log[0],), (stretch.ledger[0],), f"events of {_where(stretch)}")


def _where(stretch: Stretch) -> str:
    return f"{EVENTS.name}/{stretch.partition}, offsets {stretch.start} to {stretch.end - 1}"


def _figure(event: tuple[Any, ...] | None) -> Figure:
    if event is None:
        return ()
    _, _, robot, value = event
    return (1, int(robot), value)
