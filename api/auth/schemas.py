"""Signing in, as a form and as JSON."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from api.auth.tokens import LIFETIME_SECONDS


class SignIn(BaseModel):
    """OAuth2's password form; clients may send what else the grant knows of, and it is ignored."""

    grant_type: Literal["password"] = "password"
    username: str = Field(max_length=254, description="the email address")
    password: SecretStr = Field(max_length=1024)
    scope: str = ""
    client_id: str | None = None
    client_secret: SecretStr | None = None


class TokenResponse(BaseModel):
    """An access token, sent back as `Authorization: Bearer ...`."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"access_token": "eyJhbGciOi...", "token_type": "bearer", "expires_in": 600}}
    )

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - a kind of token, not one
    expires_in: int = Field(LIFETIME_SECONDS, description="seconds")
