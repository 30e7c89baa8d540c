"""Signing in, as a form, and at an identity provider."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class SignIn(BaseModel):
    """OAuth2's password form; clients may send what else the grant knows of, and it is ignored."""

    grant_type: Literal["password"] = "password"
    username: str = Field(max_length=254, description="the email address")
    password: SecretStr = Field(max_length=1024)
    code: SecretStr | None = Field(None, max_length=40, description="of the second factor, or a recovery code")
    scope: str = ""
    client_id: str | None = None
    client_secret: SecretStr | None = None


class OidcStartResponse(BaseModel):
    """Where to send the browser, and what finishes the sign-in when it comes back."""

    authorization_url: str
    flow: str = Field(description="keep it with who started, never in an address: good once, for ten minutes")


class OidcFinishRequest(BaseModel):
    """What came back with the browser, and the flow of who started."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"flow": "...", "state": "...", "code": "..."}}
    )

    flow: SecretStr = Field(max_length=100)
    state: str = Field(max_length=500)
    code: SecretStr = Field(max_length=4000)
    second_factor_code: SecretStr | None = Field(None, max_length=40)
