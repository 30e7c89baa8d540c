"""What is measured: each row's contenders and their tasks, in full size and in a quick one."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, Final

from wire.topics import DEFAULT_PARTITIONS

JSON, NDJSON = "application/json", "application/x-ndjson"
OURS: Final = "Tallywire"
SHORT: Final = {JSON: "JSON", NDJSON: "NDJSON"}
PER: Final = {"event": "an event", "request": "a request"}
TIMES: Final = {1: 3.0, 100: 4.0, 1_000: 5.0}
"""By how many events a request has: how many times as much as FastAPI."""


@dataclass(frozen=True)
class Contender:
    """`python -m benchmarks.contenders.MODULE TASK`; a peer runs in the peers' environment."""

    label: str
    module: str
    task: dict[str, Any]
    peer: bool = False
    json_topic: bool = False
    """it reads a topic with one JSON message an event, of as many as its task says"""


@dataclass(frozen=True)
class Row:
    """Contenders that did the same work; `against` are compared with the first, which is ours."""

    name: str
    unit: str
    contenders: tuple[Contender, ...]
    reach: dict[str, float] = field(default_factory=dict)
    """by label: how many times theirs ours should be"""
    writer: bool = False
    """needs a write key and content in PostgreSQL"""
    place: str = "stores"
    """rows of one place share its servers: `log` has a worker that must find nothing else in its log, `whole` lets
    every process use every core"""


PLACES: Final = ("log", "whole", "stores")
"""In this order they may as well be one place: the last of them leaves events in the log that nobody counts."""


@dataclass(frozen=True)
class Size:
    """How much of everything."""

    ours: int
    faust: int
    windows: int
    loop: int
    stages: int
    contents: int
    pieces: tuple[int, ...]
    workers: tuple[int, ...]
    posts: tuple[tuple[str, int], ...]
    http_s: float
    latency_s: float
    runs: int
    read: int
    read_s: float
    merges_s: float
    """before and after what is measured"""
    one_place: bool
    """start servers once for all rows, which then meet: where nothing is said of times"""


POSTS: Final = tuple((media_type, batch) for media_type in (JSON, NDJSON) for batch in (1, 100, 1_000))
FULL: Final = Size(
    1_000_000,
    12_000,
    60_000,
    500_000,
    300_000,
    300_000,
    (1_000, 100_000, 1_000_000),
    (1, 2, 4),
    POSTS,
    2.0,
    5.0,
    3,
    1_000_000,
    2.0,
    merges_s=2.0,
    one_place=False,
)
QUICK: Final = Size(
    30_000,
    1_000,
    3_000,
    20_000,
    20_000,
    20_000,
    (100,),
    (1, 2),
    ((JSON, 100), (NDJSON, 1_000)),
    0.3,
    1.0,
    1,
    5_000,
    0.2,
    merges_s=0.2,
    one_place=True,
)


def rows(size: Size) -> tuple[Row, ...]:
    """Every row."""
    on_the_log = (_counting(size), _ledger(size), _workers(size))
    return (*on_the_log, *_http(size), _stages(size), _latency(size), _contents(size), _reads(size))


def by_place(chosen: Iterable[Row], size: Size) -> list[tuple[str, list[Row]]]:
    """Places, and the rows that are measured there; where it is one, every process may use every core."""
    ordered = sorted(chosen, key=lambda row: PLACES.index(row.place))
    if size.one_place:
        return [("whole", ordered)]
    return [(place, list(some)) for place, some in groupby(ordered, key=lambda row: row.place)]


def _streams(size: Size) -> Contender:
    task = {"events": size.ours, "pieces": 2_000, "envelope_events": 1_000, "merges_s": size.merges_s}
    return Contender(OURS, "tallywire_streams", task)


def _peer(label: str, module: str, events: int) -> Contender:
    return Contender(label, module, {"events": events, "partitions": DEFAULT_PARTITIONS}, peer=True, json_topic=True)


def _counting(size: Size) -> Row:
    contenders = (
        _streams(size),
        _peer("Faust Table", "faust_table", size.faust),
        _peer("Quix Streams", "quix_window", size.windows),
        _peer("Bytewax", "bytewax_window", size.windows),
        _peer("aiokafka + orjson + dict", "aiokafka_loop", size.loop),
    )
    reach = {"Faust Table": 200.0, "Quix Streams": 30.0, "Bytewax": 25.0, "aiokafka + orjson + dict": 1.0}
    return Row(
        "counted per content, platform, kind and minute", "events per CPU second", contenders, reach, place="log"
    )


def _ledger(size: Size) -> Row:
    task = {"events": size.ours, "pieces": 2_000, "insert_rows": 100_000, "merges_s": size.merges_s}
    bare = Contender("the ledger's bare inserts", "ledger_bare", task)
    return Row("log to all sinks", "events per CPU second", (_streams(size), bare), {bare.label: 0.5}, place="log")


def _workers(size: Size) -> Row:
    alone = _streams(size)
    more = [Contender(f"{n} workers", alone.module, {**alone.task, "workers": n}) for n in size.workers[1:]]
    return Row("by how many workers", "events per CPU second", (replace(alone, label="1 worker"), *more), place="log")


def _http(size: Size) -> list[Row]:
    made = []
    for media_type, batch in size.posts:
        task = {"batch": batch, "media_type": media_type, "seconds": size.http_s}
        contenders = [Contender(OURS, "http", {**task, "server": "tallywire"})]
        for per in ("event", "request") if media_type == JSON else ("event",):
            of_peer = {**task, "server": "fastapi", "per": per, "partitions": DEFAULT_PARTITIONS}
            contenders.append(Contender(f"FastAPI, a message {PER[per]}", "http", of_peer))
        name = f"HTTP, {SHORT[media_type]}, batches of {batch}"
        wanted = {contender.label: TIMES[batch] for contender in contenders[1:]}
        made.append(Row(name, "events per CPU second", tuple(contenders), wanted, writer=True))
    return made


def _stages(size: Size) -> Row:
    task = {"events": size.stages, "pieces": 2_000, "batch": 1_000, "group": 12}
    return Row("by stage", "ns of CPU an event", (Contender(OURS, "stages", task),))


def _latency(size: Size) -> Row:
    task = {"events": size.stages, "seconds": size.latency_s, "any_core": True}
    name = "accepted to visible"
    return Row(name, "seconds", (Contender(OURS, "latency", task),), writer=True, place="whole")


def _contents(size: Size) -> Row:
    task = {"events": size.contents, "envelope_events": 1_000}
    of = [(pieces, DEFAULT_PARTITIONS) for pieces in size.pieces] + [(size.pieces[len(size.pieces) // 2], 48)]
    contenders = tuple(
        Contender(
            f"{pieces:,} contents, {partitions} partitions",
            "engine",
            {**task, "pieces": pieces, "partitions": partitions},
        )
        for pieces, partitions in of
    )
    return Row("by how much there is", "events per CPU second", contenders)


def _reads(size: Size) -> Row:
    task = {"pieces": size.read, "seconds": size.read_s, "any_core": True, "give_up_s": 1_500}
    return Row("reading content", "ms", (Contender(OURS, "content_api", task),), place="whole")
