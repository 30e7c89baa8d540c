"""A user as JSON."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from api.users.models import Role, UserStatus


class UserResponse(BaseModel):
    """Every field of a user that the user may see."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    email: str
    organization_id: UUID
    role: Role
    profile: dict[str, Any]
    created_at: datetime
    last_login: datetime | None
    status: UserStatus
