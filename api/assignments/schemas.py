"""Assignments as JSON."""

from datetime import datetime
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from api.content.models import ContentStatus


class AssignmentRequest(BaseModel):
    """By when, and when to remind of it."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"due_at": "2030-01-01T17:00:00Z", "remind_at": "2029-12-31T09:00:00Z"}},
    )

    due_at: AwareDatetime | None = None
    remind_at: AwareDatetime | None = Field(None, description="a time that is to come")


class AssignmentResponse(BaseModel):
    """That somebody is to see to a piece."""

    model_config = ConfigDict(from_attributes=True)

    content_id: UUID
    user_id: UUID
    due_at: datetime | None
    remind_at: datetime | None
    reminded_at: datetime | None = Field(description="when the reminder went out; null where it has not yet")
    assigned_by: UUID
    created_at: datetime


class WorkResponse(AssignmentResponse):
    """An assignment with what it is about."""

    title: str
    status: ContentStatus


class WorkQuery(BaseModel):
    """Whose work."""

    model_config = ConfigDict(extra="forbid")

    user_id: UUID | None = Field(None, description="the caller, where nobody is named")
    page: int = Field(1, ge=1, le=1_000_000)
    limit: int = Field(20, ge=1, le=100)


class WorkListResponse(BaseModel):
    """A page of somebody's assignments, the first due first, those without a date last."""

    items: list[WorkResponse]
    page: int
    limit: int
    total: int
