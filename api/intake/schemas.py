"""What came in, as JSON."""

import re
from datetime import UTC, datetime
from typing import Annotated, Final, Self
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from wire.accounts import LAST_S

NEWEST: Final = (1 << 53, UUID(int=0))
"""Before this come all rejections."""
_CURSOR: Final = re.compile(r"(\d{1,15})-([0-9a-f]{32})")


def in_range(at: datetime) -> datetime:
    """Refuse a time that no row can have. Raises ValueError."""
    if not 0 <= at.timestamp() <= LAST_S:
        raise ValueError("must be from 1970 to 2106")
    return at.astimezone(UTC)


Time = Annotated[AwareDatetime, AfterValidator(in_range)]


class AccountsQuery(BaseModel):
    """Which windows."""

    model_config = ConfigDict(extra="forbid")

    since: Time | None = Field(None, description="from the window of this time on; a day ago where it is not named")
    until: Time | None = Field(None, description="windows that begin before this; now where it is not named")


class Account(BaseModel):
    """accepted = stored + duplicate + rejected + in_flight + lost."""

    accepted: int = Field(description="events that Kafka has taken")
    stored: int = Field(description="counted, for the first time")
    duplicate: int = Field(description="not counted, since the same id was counted before")
    rejected: int = Field(description="in an envelope that could not be read")
    in_flight: int = Field(description="not counted yet")
    lost: int = Field(description="gone with a log that was lost before they were counted")


class WindowResponse(Account):
    """Five minutes of arrival."""

    window: datetime
    refused: dict[str, int] = Field(description="not accepted, by reason; the same refusal again on one day is one")


class AccountsResponse(BaseModel):
    """What became of the events that came in; `total` is of all windows together."""

    since: datetime
    until: datetime
    total: Account
    windows: list[WindowResponse] = Field(description="those in which something came in, the oldest first")


class RejectionsQuery(BaseModel):
    """Which rejections."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")] | None = None
    since: Time | None = Field(None, description="only those from then on")
    before: str | None = Field(None, pattern=f"^{_CURSOR.pattern}$", description="the `next_before` of the page before")
    limit: int = Field(50, ge=1, le=500)

    def place(self) -> tuple[int, UUID]:
        """Where in the order, the newest first, the page begins."""
        found = _CURSOR.fullmatch(self.before) if self.before else None
        return (int(found[1]), UUID(found[2])) if found else NEWEST


class ReasonsQuery(BaseModel):
    """Rejections since when."""

    model_config = ConfigDict(extra="forbid")

    since: Time | None = Field(None, description="only those from then on")


class RejectionResponse(BaseModel):
    """Something that was refused; `sample` is the first part of the input, as it came."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    source: str = Field(description="`http`, or what an importer calls its source")
    place: int = Field(description="where in it: an index or a line number")
    reason: str
    detail: str
    sample: str
    rejected_at: datetime


class RejectionsResponse(BaseModel):
    """Rejections, the newest first."""

    items: list[RejectionResponse]
    next_before: str | None = Field(description="null on the last page")

    @classmethod
    def of(cls, rows: list[RejectionResponse], limit: int) -> Self:
        """The first `limit` of the rows; one more says that there is another page."""
        items = rows[:limit]
        return cls(items=items, next_before=cursor(items[-1]) if len(rows) > limit else None)


def cursor(row: RejectionResponse) -> str:
    """The place of a rejection in the order."""
    return f"{round(row.rejected_at.timestamp() * 1000)}-{row.id.hex}"


class ReasonResponse(BaseModel):
    """How much was refused for one reason."""

    reason: str
    count: int
    last_at: datetime
