"""Invitations as JSON."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from api.passwords.schemas import NEW
from api.users.models import Role
from api.users.profile import Profile
from api.users.schemas import Email


class InviteRequest(BaseModel):
    """Whom to invite, and as what."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"email": "grace@acme.example", "role": "editor"}}
    )

    email: Email
    role: Role


class InvitationResponse(BaseModel):
    """An invitation, without its link."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    email: str
    role: Role
    invited_by: UUID
    created_at: datetime
    expires_at: datetime
    accepted_at: datetime | None
    revoked_at: datetime | None


class InvitationCreatedResponse(InvitationResponse):
    """A new invitation, the only time that its link is shown."""

    token: str = Field(description="for `POST /api/v1/invitations/accept`")
    link: str = Field(description="the same for a person: the token stands after the #, which no server is sent")


class AcceptRequest(BaseModel):
    """The link's token, and the password to be."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"token": "twi_" + "x" * 64, "password": "four random words or more"}},
    )

    token: SecretStr = Field(max_length=200)
    password: SecretStr = NEW
    profile: Profile = {}
