"""The faults, as one table."""

from functools import partial
from itertools import starmap
from typing import Final

from tests.faults import deaths, traffic, versions
from tests.faults.machine import SERVERS, SERVICES
from tests.faults.trial import Fault

PROGRESS: Final = "what was accepted is counted within 40 s"
STORES: Final = tuple(SERVERS.values())
LINKS: Final = (*SERVERS, "kafka", "ingestion")
BAD: Final = "2 s late, 10 kB/s, slices of 97 bytes, nothing at all"


def _link(to: str) -> str:
    return f"link to {to}"


PROCESSES: Final = (*SERVICES, *STORES, "kafka")
WORKERS: Final = "workers beside"
MORE_LOAD: Final = "more load"
RECOUNT: Final = "a recount"
DOOR: Final = frozenset({"ingestion", "postgres", "kafka", *map(_link, ("ingestion", "postgres", "kafka"))})
"""What a collector's answer to a bad body follows from."""
REFUSALS: Final = {
    "valkey": "Redis is full, cannot save, is a replica, is busy with somebody's script",
    "postgres": "PostgreSQL is read-only, then ends all connections and lets nobody in",
    "clickhouse": "the tables that are written to are detached, then have too many parts",
}
EVERYTHING: Final = frozenset({*PROCESSES, *map(_link, LINKS), WORKERS, MORE_LOAD, RECOUNT})


def _kill(name: str) -> Fault:
    kills = partial(deaths.kill, name=name)
    return Fault(f"kill {name}", f"`{name}` is killed twice by -9", kills, PROGRESS, 14, takes=frozenset({name}))


def _freeze(name: str) -> Fault:
    stops = partial(deaths.freeze, name=name)
    does = f"`{name}` stands still (SIGSTOP) for 30 s"
    return Fault(f"freeze {name}", does, stops, PROGRESS, 16, takes=frozenset({name}))


def _refuse(name: str, how: str) -> Fault:
    refuses, holds = partial(deaths.refuse, name=name), f"{PROGRESS}; nobody has died"
    return Fault(f"{name} refuses", how, refuses, holds, 24, takes=frozenset({name, *SERVICES}))


def _cut(to: str) -> Fault:
    resets, does = partial(deaths.cut, link=to), f"every connection to {to} is reset every second"
    return Fault(f"cut {to}", does, resets, PROGRESS, 14, takes=frozenset({_link(to)}))


def _slow(to: str) -> Fault:
    slows = partial(deaths.slow, link=to)
    return Fault(f"slow {to}", f"the link to {to}: {BAD}", slows, PROGRESS, 18, takes=frozenset({_link(to)}))


FAULTS: Final = (
    *map(_kill, (*SERVICES, *STORES)),
    Fault(
        name="kill kafka",
        does="the broker is killed twice by -9",
        do=partial(deaths.kill, name="kafka"),
        holds=PROGRESS,
        costs_s=40,
        takes=frozenset({"kafka"}),
        kafkas=("apache",),
    ),
    Fault(
        name="kill everything",
        does="every server and service is killed by -9 at once",
        do=deaths.kill_everything,
        holds=PROGRESS,
        costs_s=30,
        takes=EVERYTHING,
    ),
    *map(_freeze, (*SERVICES, *STORES, "kafka")),
    Fault(
        name="zombie worker",
        does="a stream worker stands still for 30 s, another takes its partitions, and it wakes",
        do=deaths.zombie,
        holds=f"{PROGRESS}, before and after it wakes",
        costs_s=35,
        takes=frozenset({WORKERS}),
    ),
    Fault(
        name="two owners",
        does="two workers that no group keeps apart count every partition",
        do=versions.two_owners,
        holds=PROGRESS,
        costs_s=25,
        takes=frozenset({WORKERS, "streams"}),
    ),
    Fault(
        name="mixed versions",
        does="a worker and a collector of an older revision beside today's; then the old worker alone",
        do=versions.mixed,
        holds=f"{PROGRESS}, and so once they have gone",
        costs_s=70,
        takes=frozenset({WORKERS, "streams"}),
    ),
    Fault(
        name="kill workers",
        does="stream workers come, and are killed by -9 5 s later",
        do=deaths.kill_workers_every_5_s,
        holds=PROGRESS,
        costs_s=35,
        takes=frozenset({WORKERS}),
    ),
    Fault(
        name="rebalance",
        does="one stream worker, four, one",
        do=deaths.rebalance,
        holds="each time what was accepted is counted within 15 s",
        costs_s=35,
        takes=frozenset({WORKERS}),
    ),
    Fault(
        name="rolling restart",
        does="SIGTERM to every service, one after the other",
        do=deaths.roll,
        holds="no answer but 202, 429, 503; counted within 15 s",
        costs_s=30,
        takes=frozenset(SERVICES),
    ),
    Fault(
        name="redis emptied",
        does="Redis restarts without its files, then FLUSHALL",
        do=deaths.redis_emptied,
        costs_s=12,
        takes=frozenset({"valkey"}),
    ),
    Fault(
        name="redis cut",
        does="Redis loses the end of its log, then restarts cleanly",
        do=deaths.redis_cut,
        costs_s=12,
        takes=frozenset({"valkey"}),
    ),
    *starmap(_refuse, REFUSALS.items()),
    Fault(
        name="wrong clocks",
        does="a collector's and a worker's clocks step by 1 h, ahead and back",
        do=deaths.clocks,
        holds=PROGRESS,
        costs_s=30,
        takes=frozenset({WORKERS}),
    ),
    *map(_cut, LINKS),
    *map(_slow, LINKS),
    Fault(
        name="poisoned log",
        does="garbage in every topic",
        do=traffic.poisoned_log,
        holds="each message is kept as one rejection",
        costs_s=8,
        takes=frozenset({"kafka", _link("kafka")}),
    ),
    Fault(
        name="poisoned commands",
        does="commands that can be read and not be carried out",
        do=traffic.poisoned_commands,
        holds="each is kept as dead, and those after them are carried out",
        costs_s=8,
    ),
    Fault(
        name="nothing but garbage",
        does="30 bad messages in a row in one partition",
        do=traffic.nothing_but_garbage,
        holds="after 20 it stops and says so; it goes on once an operator lets it",
        costs_s=70,
        takes=EVERYTHING,
    ),
    Fault(
        name="recount",
        does="everything is counted anew from the ledger while events come in",
        do=traffic.recount,
        holds=PROGRESS,
        costs_s=20,
        takes=frozenset({RECOUNT}),
    ),
    Fault(
        name="kill recount",
        does="three recounts are begun while events come in, and each is killed by -9 at a moment of its own",
        do=traffic.kill_recount,
        holds=f"{PROGRESS}, though nobody finishes them",
        costs_s=30,
        takes=frozenset({RECOUNT}),
    ),
    Fault(
        name="malformed bodies",
        does="bodies of 17 wrong kinds",
        do=traffic.malformed,
        holds="each is answered its own 4xx, and kept",
        costs_s=6,
        takes=DOOR,
    ),
    Fault(
        name="oversized bodies",
        does="bodies beyond 10 MB, many at once",
        do=traffic.oversized,
        holds="413, and memory stays flat",
        costs_s=8,
        takes=frozenset({"ingestion"}),
    ),
    Fault(
        name="storm of duplicates",
        does="1,000 ids, each 1,000 times",
        do=traffic.storm,
        holds=PROGRESS,
        costs_s=15,
        takes=frozenset({MORE_LOAD}),
    ),
    Fault(
        name="burst",
        does="ten times what a collector may take",
        do=traffic.burst,
        holds="429 or 503 with Retry-After, and memory stays flat",
        costs_s=20,
        takes=frozenset({MORE_LOAD}),
    ),
    Fault(
        name="hot content",
        does="nine of ten events are about one piece of an organization",
        do=traffic.hot,
        holds="counted within 15 s",
        costs_s=10,
        takes=frozenset({MORE_LOAD}),
    ),
)


def possible(kafka: str) -> list[Fault]:
    """Those that can go wrong on this kind of Kafka, in this checkout."""
    missing = () if versions.older() else ("mixed versions",)
    return [fault for fault in FAULTS if kafka in fault.kafkas and fault.name not in missing]
