"""However much goes through, what is held stays within its bound, and the figures are those of an independent count."""

import json
import random
import subprocess
import sys
from collections import defaultdict
from uuid import UUID, uuid4

from streams.doors import Doors
from streams.engagement import EngagementProcessor
from tests.streams.test_engagement import NOW_MS, Event, Figures, counters_of, figures_of, message
from wire import counters, ids
from wire.topics import EVENTS

STATE = 1 << 20
FLUSHES, EVENTS_A_FLUSH = 12, 1_000
CONTENTS, OLD_MINUTES = 5_000, 5_000
LOOKED_AT = 100

FILL = """
import json, sys
from wire import memory
memory.keep()
import numpy as np
from streams.buckets import Batch, Buckets

def held():
    return next(int(line.split()[1]) << 10 for line in open("/proc/self/status") if line.startswith("RssAnon"))

bound, chance, told = int(sys.argv[1]), np.random.default_rng(1), []
def filled(buckets, batches):
    for at in range(batches):
        minute = np.uint64((29_000_000 + at // 5) * 60_000) << np.uint64(16)
        ids = np.column_stack((np.full(20_000, minute), chance.integers(0, 1 << 63, 20_000, np.uint64)))
        contents = np.zeros((20_000, 4), np.uint64)
        contents[:, 3] = chance.integers(0, 1_000, 20_000)
        none = np.zeros(20_000, np.uint64)
        batch = Batch(contents, ids, none, none.astype(np.bool_), none)
        buckets.count(batch, buckets.missing(batch).places)
        told.append((buckets.nbytes, held()))

nothing = np.empty((0, 4), np.uint64)
filled(Buckets(0, nothing, max_bytes=1), 5)
before, told = held(), []
filled(Buckets(0, nothing, max_bytes=bound), 200)
print(json.dumps([before, *told]))
"""


def counted(log: list[Event]) -> Figures:
    """Each id of a piece once, the first in the log."""
    firsts: dict[tuple[UUID, UUID], Event] = {}
    for event in log:
        firsts.setdefault((event.content, event.id), event)
    figures: Figures = {}
    for e in firsts.values():
        key = (e.content, ids.time_ms(e.id) // 60_000, e.platform, e.kind)
        count, robots, value = figures.get(key, (0, 0, 0))
        figures[key] = (count + 1, robots + e.robot, value + e.value)
    return figures


async def begin(doors: Doors, max_bytes: int) -> EngagementProcessor:
    worker = EngagementProcessor(max_bytes=max_bytes)
    await worker.start(doors)
    await worker.assigned(dict.fromkeys(range(EVENTS.partitions), 0))
    return worker


async def flush(worker: EngagementProcessor, organization: UUID, offset: int, events: list[Event]) -> None:
    """Process them as one message of each partition."""
    of: dict[int, list[Event]] = defaultdict(list)
    for event in events:
        of[ids.partition(event.content, EVENTS.partitions)].append(event)
    await worker.process([message(organization, n, offset, of[n]) for n in range(EVENTS.partitions)])
    await worker.settle()


async def test_many_times_more_ids_contents_and_minutes_than_fit_give_the_independent_count(doors: Doors) -> None:
    chance, organization, log = random.Random(1), uuid4(), []
    contents = [UUID(int=chance.getrandbits(128)) for _ in range(CONTENTS)]
    worker = await begin(doors, STATE)
    first = worker._buckets

    def event(minute: int) -> Event:
        if log and chance.random() < 0.2:
            return chance.choice(log)
        back = chance.randrange(OLD_MINUTES) if chance.random() < 0.2 else 0
        id_ = ids.id_at(NOW_MS + (minute - FLUSHES - back) * 60_000, str(chance.random()))
        robot, value = chance.random() < 0.1, chance.randrange(1_000)
        return Event(
            contents[int(CONTENTS * chance.random() ** 3)], id_, chance.choice(["view", "share"]), "web", robot, value
        )

    evicted = False
    for offset in range(FLUSHES):
        events = [event(offset) for _ in range(EVENTS_A_FLUSH)]
        log += events
        await flush(worker, organization, offset, events)
        evicted |= worker._buckets._evicted_to > 0
        assert worker._buckets.nbytes <= STATE
    assert evicted, "more minutes than fit"
    assert worker._buckets is not first, "more contents than fit"

    expected = counted(log)
    assert await figures_of(doors, "engagement_events", organization) == expected
    assert await figures_of(doors, "engagement_minutes", organization) == expected
    for content in contents[:LOOKED_AT]:
        of_it: dict[tuple[str, str], list[tuple[int, int, int]]] = defaultdict(list)
        for (of, _, platform, kind), figures in expected.items():
            if of == content:
                of_it[platform, kind].append(figures)
        key, piece = counters.totals_key(counters.partition_of(content)), counters.piece_field(organization, content)
        sums = {cell: tuple(map(sum, zip(*figures, strict=True))) for cell, figures in of_it.items()}
        assert await counters_of(doors, key, piece) == sums


async def test_more_platforms_than_are_held_at_once_are_all_counted(doors: Doors) -> None:
    chance, organization, log = random.Random(2), uuid4(), []
    worker, known = await begin(doors, STATE), []
    worker._platforms.most = 300
    for offset in range(8):
        contents = [UUID(int=chance.getrandbits(128)) for _ in range(5)]
        names = [f"made_up_{offset}_{n}" for n in range(100)]
        new = [Event(chance.choice(contents), ids.id_at(NOW_MS, name), "view", name, False, 1) for name in names]
        events = [*new, *chance.choices(new, k=20)]
        log += events
        await flush(worker, organization, offset, events)
        known.append(len(worker._platforms.names))
    assert max(known) < 500, "of more than 800"
    assert await figures_of(doors, "engagement_minutes", organization) == counted(log)


def test_a_full_state_takes_as_much_memory_as_it_says_however_long_it_goes_on() -> None:
    bound = 64 << 20
    command = [sys.executable, "-c", FILL, str(bound)]
    before, *told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout)
    full = [(state, resident - before) for state, resident in told[len(told) // 3 :]]
    assert bound // 3 < max(state for state, _ in full) <= bound
    assert max(resident for _, resident in full) <= bound
    half = len(full) // 2
    assert max(r for _, r in full[half:]) <= max(r for _, r in full[:half]) + bound // 8, "it still grows"
