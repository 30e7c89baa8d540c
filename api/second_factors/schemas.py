"""Second factors as JSON."""

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class EnrolRequest(BaseModel):
    """Your password, once more: a stolen access token is not enough."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"password": "..."}})

    password: SecretStr = Field(max_length=1024)


class EnrolResponse(BaseModel):
    """What an authenticator needs, the only time that it is shown."""

    secret: str
    otpauth_uri: str = Field(description="the same as an address that authenticators read, mostly as a QR code")


class ConfirmRequest(BaseModel):
    """A code of the authenticator, to show that it has the secret."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"code": "123456"}})

    code: SecretStr = Field(max_length=40)


class RecoveryCodesResponse(BaseModel):
    """Each is good once, in place of a code. They are not shown again."""

    recovery_codes: list[str]


class RemoveRequest(BaseModel):
    """Your password and a code."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"password": "...", "code": "123456"}})

    password: SecretStr = Field(max_length=1024)
    code: SecretStr = Field(max_length=40)
