"""What each store says of some pieces, in one shape: a place, and the figure that stands there."""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import asyncpg
import msgspec
import redis.asyncio
from clickhouse_connect.driver.asyncclient import AsyncClient

from analytics.ask import ask
from wire.commands import events_of_version
from wire.counters import (
    Cell,
    decode_cells,
    minute_key,
    partition_of,
    piece_field,
    position_key,
    snapshots_key,
    totals_key,
)
from wire.topics import EVENTS

PIECES_AT_ONCE: Final = 500
VERSION: Final = "(version)"
"""The kind of the figure that says how many events a store has counted in a piece, in all."""
UNREADABLE: Final = "(unreadable)"
"""The kind that stands for a value which is not what `wire.counters` says."""

Piece = tuple[UUID, UUID]
"""organization, content"""
Figure = tuple[int, ...]
"""(count, robots, value), (captured_at_ms, count) of a snapshot, (events,) of a version; () where there is none"""


class Counter(NamedTuple):
    """What one field in Redis counts: a piece, or one minute of it (unix time // 60)."""

    piece: Piece
    minute: int | None = None

    @property
    def partition(self) -> int:
        """The partition whose counters it is one of."""
        return partition_of(self.piece[1])

    @property
    def key(self) -> str:
        """The hash in Redis in which it stands."""
        return totals_key(self.partition) if self.minute is None else minute_key(self.partition, self.minute)

    @property
    def field(self) -> bytes:
        """Its field in that hash."""
        return piece_field(*self.piece)


class Place(NamedTuple):
    """Where a figure stands."""

    counter: Counter
    platform: str
    kind: str


Figures = dict[Place, Figure]


@dataclass(frozen=True)
class Stores:
    """Open doors, only ever read from."""

    clickhouse: AsyncClient
    redis: redis.asyncio.Redis
    postgres: asyncpg.Pool


async def totals(stores: Stores, question: str, pieces: Sequence[Piece]) -> tuple[Figures, dict[Counter, datetime]]:
    """ClickHouse's totals by `ledger_totals` or `minute_totals`; and when the ledger's last event was received."""
    return _counted(await ask(stores.clickhouse, question, contents=list(pieces)))


async def ledger_minutes(
    stores: Stores, pieces: Sequence[Piece], since: int
) -> tuple[Figures, dict[Counter, datetime]]:
    """The ledger's figures of each minute from `since` on, and when the last event of each was received."""
    start = datetime.fromtimestamp(since * 60, UTC)
    return _counted(await ask(stores.clickhouse, "ledger_minutes", contents=list(pieces), since=start))


async def aggregate_minutes(stores: Stores, pieces: Sequence[Piece]) -> tuple[int, Figures, Figures]:
    """How many minutes ledger and aggregate tell of; and where the two differ, what each says."""
    compared, ledger, aggregate = 0, Figures(), Figures()
    for row in await ask(stores.clickhouse, "minutes_compared", contents=list(pieces)):
        compared += row["compared"]
        for minute, platform, kind, expected, found in row["differences"]:
            place = Place(Counter(_piece(row), _unix_minute(minute)), platform, kind)
            ledger[place], aggregate[place] = _present(expected), _present(found)
    return compared, ledger, aggregate


async def snapshots(stores: Stores, pieces: Sequence[Piece]) -> Figures:
    """The latest snapshots in ClickHouse."""
    rows = await ask(stores.clickhouse, "latest_snapshots", contents=list(pieces))
    return {
        Place(Counter(_piece(row)), row["platform"], row["kind"]): (row["captured_at_ms"], row["count"]) for row in rows
    }


async def redis_counters(stores: Stores, counters: Sequence[Counter]) -> tuple[Figures, set[Counter]]:
    """What Redis counts, and which of these counters it holds."""
    async with stores.redis.pipeline(transaction=False) as pipeline:
        for counter in counters:
            pipeline.hget(counter.key, counter.field)
        answers = await pipeline.execute()
    found: Figures = {}
    held = set()
    for counter, cells in zip(counters, answers, strict=True):
        if cells is not None:
            held.add(counter)
            found |= _redis_figures(counter, cells)
    return found, held


async def redis_snapshots(stores: Stores, pieces: Sequence[Piece]) -> tuple[Figures, set[Counter]]:
    """The latest snapshots in Redis, and of which pieces it holds any."""
    async with stores.redis.pipeline(transaction=False) as pipeline:
        for piece in pieces:
            pipeline.hgetall(snapshots_key(*piece))
        answers = await pipeline.execute()
    found: Figures = {}
    for piece, fields in zip(pieces, answers, strict=True):
        for field, value in fields.items():
            platform, _, kind = field.decode().partition("|")
            at, _, count = value.decode().partition("|")
            readable = at.isdigit() and count.isdigit()
            place = Place(Counter(piece), platform, kind if readable else UNREADABLE)
            found[place] = (int(at), int(count)) if readable else (0,)
    return found, {place.counter for place in found}


async def redis_whole(stores: Stores) -> frozenset[int]:
    """Partitions of which Redis says that it holds every counter; none where it was emptied."""
    positions = await stores.redis.mget([position_key(each) for each in range(EVENTS.partitions)])
    return frozenset(each for each, position in enumerate(positions) if position)


async def redis_keys(stores: Stores) -> AsyncIterator[list[Counter]]:
    """Every counter and every piece with snapshots that Redis holds, some hundred at a time; some may come twice.

    Raises ValueError for a key or field that is like ours and is not.
    """
    some: list[Counter] = []
    async for counter in _redis_counters(stores):
        some.append(counter)
        if len(some) == PIECES_AT_ONCE:
            yield some
            some = []
    if some:
        yield some


async def _redis_counters(stores: Stores) -> AsyncIterator[Counter]:
    async for key in stores.redis.scan_iter(match="tw:snapshots:*", count=PIECES_AT_ONCE):
        yield _snapshots_counter(key.decode(errors="replace"))
    for pattern in ("tw:{*}:totals", "tw:{*}:minute:*"):
        async for key in stores.redis.scan_iter(match=pattern, count=PIECES_AT_ONCE):
            name = key.decode(errors="replace")
            minute = int(name.rpartition(":")[2]) if ":minute:" in name else None
            async for field, _ in stores.redis.hscan_iter(key, count=PIECES_AT_ONCE):
                yield _counter(name, field, minute)


async def postgres(stores: Stores, pieces: Sequence[Piece]) -> tuple[Figures, Figures, set[Counter]]:
    """PostgreSQL's totals and snapshots, and which of the pieces it has at all."""
    rows = await stores.postgres.fetch(
        "SELECT organization_id, id AS content_id, engagement_stats, engagement_version FROM content "
        "WHERE id = ANY ($1::uuid[])",
        [content for _, content in pieces],
    )
    counted, captured = Figures(), Figures()
    there = set()
    for row in rows:
        at = Counter(_piece(row))
        there.add(at)
        stats = msgspec.json.decode(row["engagement_stats"])
        for platform, kind, figure in _leaves(stats.get("totals", {})):
            counted[Place(at, platform, kind)] = (figure["count"], figure["robots"], figure["value"])
        for platform, kind, figure in _leaves(stats.get("snapshots", {})):
            at_ms = round(datetime.fromisoformat(figure["captured_at"]).timestamp() * 1000)
            captured[Place(at, platform, kind)] = (at_ms, figure["count"])
        if events := events_of_version(row["engagement_version"]):
            counted[Place(at, "", VERSION)] = (events,)
    return counted, captured, there & {Counter(piece) for piece in pieces}


async def postgres_pieces(stores: Stores) -> AsyncIterator[list[Piece]]:
    """Every piece of which PostgreSQL tells any engagement, some hundred at a time."""
    after = UUID(int=0)
    while True:
        rows = await stores.postgres.fetch(
            "SELECT organization_id, id AS content_id FROM content "
            "WHERE id > $1 AND (engagement_stats <> '{}' OR engagement_version <> 0) ORDER BY id LIMIT $2",
            after,
            PIECES_AT_ONCE,
        )
        if not rows:
            return
        yield [_piece(row) for row in rows]
        after = rows[-1]["content_id"]


async def clickhouse_pieces(stores: Stores) -> AsyncIterator[list[Piece]]:
    """Every piece that ledger, aggregate or snapshots tell of, some hundred at a time."""
    after = (UUID(int=0), UUID(int=0))
    while True:
        organization, content = after
        asked = {"organization_id": organization, "content_id": content, "limit": PIECES_AT_ONCE}
        rows = await ask(stores.clickhouse, "contents_after", **asked)
        if not rows:
            return
        yield [_piece(row) for row in rows]
        after = _piece(rows[-1])


async def unknown_to_clickhouse(stores: Stores, pieces: Iterable[Piece]) -> list[Piece]:
    """Those of the pieces that neither ledger nor aggregate nor snapshots tell of."""
    asked = sorted(set(pieces))
    known = {_piece(row) for row in await ask(stores.clickhouse, "known_contents", contents=asked)}
    return [piece for piece in asked if piece not in known]


def with_versions(ledger: Figures) -> Figures:
    """The ledger's totals and, for each piece, how many events that is."""
    events: dict[Counter, int] = {}
    for place, figure in ledger.items():
        events[place.counter] = events.get(place.counter, 0) + figure[0]
    return ledger | {Place(counter, "", VERSION): (count,) for counter, count in events.items()}


def _counted(rows: Iterable[dict[str, Any]]) -> tuple[Figures, dict[Counter, datetime]]:
    found: Figures = {}
    last: dict[Counter, datetime] = {}
    for row in rows:
        counter = Counter(_piece(row), _unix_minute(row["minute"]) if "minute" in row else None)
        found[Place(counter, row["platform"], row["kind"])] = (row["count"], row["robots"], row["value"])
        if "received_at" in row:
            last[counter] = max(row["received_at"], last.get(counter, row["received_at"]))
    return found, last


def _snapshots_counter(key: str) -> Counter:
    try:
        _, _, organization, content = key.split(":")
        return Counter((UUID(organization), UUID(content)))
    except ValueError as error:
        raise ValueError(f"Redis holds {key!r}, which names no piece: remove it") from error


def _counter(key: str, field: bytes, minute: int | None) -> Counter:
    if len(field) != len(piece_field(UUID(int=0), UUID(int=0))):
        raise ValueError(f"Redis holds {field!r} in {key!r}, which names no piece: remove it")
    counter = Counter((UUID(bytes=field[:16]), UUID(bytes=field[16:])), minute)
    if counter.key != key:
        raise ValueError(f"Redis holds {counter.piece[1]} in {key!r}, which is not its partition: remove it")
    return counter


def _redis_figures(counter: Counter, cells: bytes) -> Figures:
    try:
        read: list[Cell] = decode_cells(cells)
    except ValueError:
        return {Place(counter, "", UNREADABLE): (0,)}
    return {Place(counter, cell.platform, cell.kind): (cell.count, cell.robots, cell.value) for cell in read}


def _leaves(tree: dict[str, dict[str, dict[str, Any]]]) -> Iterable[tuple[str, str, dict[str, Any]]]:
    return [(platform, kind, figure) for platform, kinds in tree.items() for kind, figure in kinds.items()]


def _present(figure: Figure) -> Figure:
    return tuple(figure) if any(figure) else ()


def _unix_minute(at: datetime) -> int:
    return int(at.replace(tzinfo=UTC).timestamp()) // 60


def _piece(row: Any) -> Piece:
    return (UUID(str(row["organization_id"])), UUID(str(row["content_id"])))
