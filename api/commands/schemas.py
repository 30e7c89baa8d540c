"""Commands that wait or are dead, as JSON."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

State = Literal["waiting", "dead"]
NEWEST = 2**63 - 1


class CommandResponse(BaseModel):
    """A command that was not carried out when it came. What it carries is not shown."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    position: int = Field(description="their order; of one key, the smallest is tried first")
    key: str = Field(description="what it is about, mostly a piece's id")
    type: str
    state: State
    attempts: int
    due_at: datetime | None = Field(description="when it is tried again; null where it is dead")
    reason: str = Field(description="a stable word for why")
    detail: str
    set_aside_at: datetime


class CommandsQuery(BaseModel):
    """Which part of the list."""

    model_config = ConfigDict(extra="forbid")

    state: State | None = None
    before: int = Field(NEWEST, ge=1, le=NEWEST, description="the `next_before` of the page before")
    limit: int = Field(50, ge=1, le=500)


class CommandsResponse(BaseModel):
    """A part of the list, the newest first."""

    items: list[CommandResponse]
    next_before: int | None = Field(description="null on the last page")
