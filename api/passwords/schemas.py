"""Passwords as JSON."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from api.auth.strength import LONGEST, SHORTEST

NEW = Field(
    max_length=LONGEST,
    description=f"at least {SHORTEST} characters, and not easy to guess",
    json_schema_extra={"minLength": SHORTEST},
)


class ChangeRequest(BaseModel):
    """The old password and the new one."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"current_password": "...", "new_password": "four random words or more"}},
    )

    current_password: SecretStr = Field(max_length=LONGEST)
    new_password: SecretStr = NEW


class ResetRequest(BaseModel):
    """The link's token and the new password."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"token": "tws_" + "x" * 64, "new_password": "four random words or more"}},
    )

    token: SecretStr = Field(max_length=200)
    new_password: SecretStr = NEW


class ResetLinkResponse(BaseModel):
    """A link that sets a new password, the only time that it is shown."""

    user_id: UUID
    expires_at: datetime
    token: str = Field(description="for `POST /api/v1/auth/password-reset`")
    link: str = Field(description="the same for a person: the token stands after the #, which no server is sent")
