"""Sessions as JSON."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from api.auth.tokens import LIFETIME_SECONDS


class TokenResponse(BaseModel):
    """An access token, sent back as `Authorization: Bearer ...`, and what gets the next one."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "access_token": "eyJhbGciOi...",
                "token_type": "bearer",
                "expires_in": LIFETIME_SECONDS,
                "refresh_token": "twr_" + "x" * 64,
            }
        }
    )

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - a kind of token, not one
    expires_in: int = Field(LIFETIME_SECONDS, description="seconds")
    refresh_token: str = Field(description="good for one use; a second use ends the session")


class RefreshRequest(BaseModel):
    """The refresh token of the last answer."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"refresh_token": "twr_" + "x" * 64}})

    refresh_token: SecretStr = Field(max_length=200)


class SessionResponse(BaseModel):
    """Where one is signed in."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    method: Literal["password", "oidc"]
    user_agent: str = Field(description="what the client called itself when it signed in")
    address: str = Field(description="where the sign-in came from")
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    current: bool = Field(description="whether this request is of that session")
