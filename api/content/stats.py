"""A piece's live numbers: from what the stores hold to what a reader of the API sees. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from wire.counters import Cell

MINUTES = 60
Counts = dict[str, int]


class MinuteResponse(BaseModel):
    """What happened in one minute."""

    minute: datetime
    counts: Counts


class SnapshotResponse(BaseModel):
    """A platform's own total, and how old it is."""

    count: int
    captured_at: datetime
    age_seconds: int


class StatsResponse(BaseModel):
    """A piece's live numbers. Counts include robots, `readers` does not."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "content_id": "0198c0de-0000-7000-8000-000000000001",
                "totals": {"view": 120, "share": 3},
                "readers": {"view": 101, "share": 3},
                "values": {"read": 734.5},
                "by_platform": {"web": {"view": 120, "share": 3}},
                "last_60_minutes": [{"minute": "2026-11-22T10:31:00Z", "counts": {"view": 7}}],
                "snapshots": {
                    "facebook": {"share": {"count": 99, "captured_at": "2026-11-22T09:00:00Z", "age_seconds": 5465}}
                },
                "as_of": "2026-11-22T10:31:05.120Z",
                "source": "redis",
            }
        }
    )

    content_id: UUID
    totals: Counts
    readers: Counts
    values: dict[str, float] = Field(description="the sum of the events' values by kind; for reading, seconds")
    by_platform: dict[str, Counts]
    last_60_minutes: list[MinuteResponse] = Field(
        description="the current minute and the 59 before, without empty ones"
    )
    snapshots: dict[str, dict[str, SnapshotResponse]]
    as_of: datetime | None = Field(description="all events accepted until then are counted; null where not known")
    source: Literal["redis", "clickhouse"] = Field(description="where the totals were read")


@dataclass(frozen=True)
class SnapshotCell:
    """A platform's own total."""

    platform: str
    kind: str
    count: int
    captured_at: datetime


@dataclass(frozen=True)
class Numbers:
    """What the stores hold of one piece; `minutes` is by unix time // 60, `as_of_ms` is unix time."""

    totals: Sequence[Cell]
    minutes: Mapping[int, Sequence[Cell]]
    snapshots: Sequence[SnapshotCell]
    as_of_ms: int | None
    source: Literal["redis", "clickhouse"]
    missing: frozenset[str] = field(default_factory=frozenset)


def shape(content_id: UUID, numbers: Numbers, now: datetime) -> StatsResponse:
    """The answer to `GET /content/{id}/stats`."""
    cells = numbers.totals
    platforms = {cell.platform for cell in cells}
    return StatsResponse(
        content_id=content_id,
        totals=_by_kind((cell.kind, cell.count) for cell in cells),
        readers=_by_kind((cell.kind, cell.count - cell.robots) for cell in cells),
        values={
            kind: thousandths / 1000
            for kind, thousandths in _by_kind((cell.kind, cell.value) for cell in cells).items()
        },
        by_platform={
            platform: _by_kind((cell.kind, cell.count) for cell in cells if cell.platform == platform)
            for platform in sorted(platforms)
        },
        last_60_minutes=_recent(numbers.minutes, int(now.timestamp()) // 60),
        snapshots=_snapshots(numbers.snapshots, now),
        as_of=None if numbers.as_of_ms is None else datetime.fromtimestamp(numbers.as_of_ms / 1000, UTC),
        source=numbers.source,
    )


def _by_kind(amounts: Iterable[tuple[str, int]]) -> Counts:
    sums: Counter[str] = Counter()
    for kind, amount in amounts:
        sums[kind] += amount
    return {kind: amount for kind, amount in sorted(sums.items()) if amount}


def _recent(minutes: Mapping[int, Sequence[Cell]], current: int) -> list[MinuteResponse]:
    recent = []
    for minute in sorted(minutes):
        counts = _by_kind((cell.kind, cell.count) for cell in minutes[minute])
        if counts and current - MINUTES < minute <= current:
            recent.append(MinuteResponse(minute=datetime.fromtimestamp(minute * 60, UTC), counts=counts))
    return recent


def _snapshots(cells: Iterable[SnapshotCell], now: datetime) -> dict[str, dict[str, SnapshotResponse]]:
    shaped: dict[str, dict[str, SnapshotResponse]] = defaultdict(dict)
    for cell in sorted(cells, key=lambda cell: (cell.platform, cell.kind)):
        age = max(0, int((now - cell.captured_at).total_seconds()))
        shaped[cell.platform][cell.kind] = SnapshotResponse(
            count=cell.count, captured_at=cell.captured_at, age_seconds=age
        )
    return dict(shaped)
