"""Organizations as JSON."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from api.content.schemas import Storable
from api.users.schemas import Email

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), Storable]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]


class OrganizationResponse(BaseModel):
    """An organization."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    slug: str
    created_at: datetime


class OrganizationCreateRequest(BaseModel):
    """A new organization, and the address that is invited to administer it."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"name": "ACME Funds", "admin_email": "ada@acme.example"}}
    )

    name: Name
    slug: Slug | None = Field(None, description="its name in addresses; made of the name where it is not given")
    admin_email: Email


class OrganizationCreatedResponse(OrganizationResponse):
    """A new organization, and the invitation of its first administrator, the only time that it is shown."""

    invitation_id: UUID
    token: str = Field(description="for `POST /api/v1/invitations/accept`")
    link: str


class OrganizationUpdateRequest(BaseModel):
    """A new name."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"name": "ACME Funds Ltd."}})

    name: Name


class OrganizationListQuery(BaseModel):
    """Which page of the list."""

    model_config = ConfigDict(extra="forbid")

    page: int = Field(1, ge=1, le=1_000_000)
    limit: int = Field(20, ge=1, le=100)


class OrganizationListResponse(BaseModel):
    """One page, the oldest first, and how many there are in all; 0 beyond the last page."""

    items: list[OrganizationResponse]
    page: int
    limit: int
    total: int
