"""A user as JSON."""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from api.users.email import checked_email
from api.users.models import Role, UserStatus
from api.users.profile import Profile

Email = Annotated[str, Field(max_length=254), AfterValidator(checked_email)]


class UserResponse(BaseModel):
    """Every field of a user that may be seen."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    email: str
    organization_id: UUID
    role: Role
    profile: dict[str, Any] = Field(description="preferences, settings")
    created_at: datetime
    last_login: datetime | None
    status: UserStatus


def absent() -> Any:
    """Stands in for a field that was not named; a null that was sent is refused."""
    return None


class UserUpdateRequest(BaseModel):
    """What is to change; what is not named stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"minProperties": 1, "example": {"role": "approver"}})

    role: Role = Field(default_factory=absent)
    status: UserStatus = Field(default_factory=absent)
    profile: Profile = Field(default_factory=absent)

    @model_validator(mode="after")
    def names_something(self) -> Self:
        """Refuse an update of nothing."""
        if not self.model_fields_set:
            raise ValueError("name at least one of role, status, profile")
        return self

    def changes(self) -> dict[str, Any]:
        """The fields that were named, with their new values."""
        return {name: getattr(self, name) for name in sorted(self.model_fields_set)}


class MeUpdateRequest(BaseModel):
    """Your own profile, which takes the place of the one before."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"profile": {"theme": "dark"}}})

    profile: Profile


class UserListQuery(BaseModel):
    """Which page of which users."""

    model_config = ConfigDict(extra="forbid")

    page: int = Field(1, ge=1, le=1_000_000)
    limit: int = Field(20, ge=1, le=100)
    role: Role | None = None
    status: UserStatus | None = None


class UserListResponse(BaseModel):
    """One page, the oldest first, and how many there are in all."""

    items: list[UserResponse]
    page: int
    limit: int
    total: int
