"""Signing in, as a form."""

from typing import Literal

from pydantic import BaseModel, Field, SecretStr


class SignIn(BaseModel):
    """OAuth2's password form; clients may send what else the grant knows of, and it is ignored."""

    grant_type: Literal["password"] = "password"
    username: str = Field(max_length=254, description="the email address")
    password: SecretStr = Field(max_length=1024)
    code: SecretStr | None = Field(None, max_length=40, description="of the second factor, or a recovery code")
    scope: str = ""
    client_id: str | None = None
    client_secret: SecretStr | None = None
