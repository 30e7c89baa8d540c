"""How many distinct readers a piece had, day by day: asked of the ledger, so late and repeated events are right."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from api.doors import ClickHouse

EXACT_UP_TO: Final = 2_000_000
"""Events of a piece on a day up to which its readers are counted exactly, at some 32 bytes of memory each. A million
events take ClickHouse half a second of one core, of which the sketch would save a third."""
STANDARD_ERROR: Final = 0.001
"""Of the sketch beyond: two days in three are nearer than this to the truth, 99.7 % are within three times of it."""
MOST_DAYS: Final = 31
DAYS: Final = 7
FIRST: Final = date(1970, 1, 1)
LAST: Final = date(2106, 1, 1)


class ReadersQuery(BaseModel):
    """Which days, both included."""

    model_config = ConfigDict(extra="forbid")

    since: date | None = Field(None, alias="from", ge=FIRST, le=LAST, description="a week up to `to` if not named")
    until: date | None = Field(None, alias="to", ge=FIRST, le=LAST, description="today (UTC) if not named")

    @model_validator(mode="after")
    def is_a_range(self) -> Self:
        """Refuse days that are in no order, or too many. Raises ValueError."""
        if self.since and self.until and not 0 <= (self.until - self.since).days < MOST_DAYS:
            raise ValueError(f"from and to must be in order, and at most {MOST_DAYS} days")
        return self

    def days(self, today: date) -> tuple[date, date]:
        """The first and the last day."""
        until = self.until or (min(today, self.since + timedelta(days=MOST_DAYS - 1)) if self.since else today)
        since = self.since or max(FIRST, until - timedelta(days=DAYS - 1))
        return since, until


class DayResponse(BaseModel):
    """A day's readers: distinct actors, robots not counted. `events` includes `robots` and `unknown`."""

    day: date
    readers: int
    exact: bool = Field(description="false: `readers` is an estimate")
    standard_error: float = Field(description="relative, of the estimate; 0 where exact")
    events: int
    robots: int
    unknown: int = Field(description="events of no robot that name no actor: nobody knows whose")


class ReadersResponse(BaseModel):
    """A piece's readers, on the days that had events."""

    content_id: UUID
    days: list[DayResponse]


async def read(
    clickhouse: ClickHouse, organization_id: UUID, content_id: UUID, query: ReadersQuery, today: date
) -> ReadersResponse:
    """The readers of each day. Raises Unavailable where ClickHouse does not answer."""
    since, until = query.days(today)
    rows = await clickhouse.ask(
        "readers_of_content",
        organization_id=organization_id,
        content_id=content_id,
        since=midnight(since),
        until=midnight(until + timedelta(days=1)),
        exact_up_to=EXACT_UP_TO,
    )
    days = [DayResponse(standard_error=0 if row["exact"] else STANDARD_ERROR, **row) for row in rows]
    return ReadersResponse(content_id=content_id, days=days)


def midnight(day: date) -> datetime:
    """The beginning of a day, UTC."""
    return datetime.combine(day, time(), UTC)
