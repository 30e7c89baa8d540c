"""Approvals and policies as JSON."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from api.content.models import ContentType
from api.users.models import Role


class ApprovalResponse(BaseModel):
    """One person's decision on one revision."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    content_id: UUID
    revision: int
    sha256: str
    approver_id: UUID
    decision: Literal["approved", "rejected"]
    reason: str
    created_at: datetime
    voided_at: datetime | None = Field(description="when an edit or a return ended it")


class Policy(BaseModel):
    """Which roles must approve a type of content, in which order; an administrator may take any step."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"type": "market_update", "steps": ["approver"], "expires_after_days": 30}},
    )

    type: ContentType
    steps: list[Literal[Role.APPROVER, Role.ORG_ADMIN]] = Field([Role.APPROVER], min_length=1, max_length=5)
    expires_after_days: int = Field(30, ge=1, le=365)
    four_eyes: Literal[True] = True
