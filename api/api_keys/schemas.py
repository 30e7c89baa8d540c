"""API keys as JSON."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from api.auth.rules import Permission, scope_of
from api.write_keys.schemas import Name

SCOPES = sorted(scope_of(permission) for permission in Permission)
LONGEST_DAYS = 365


def known_scope(name: str) -> str:
    """Refuse a scope that there is not. Raises ValueError."""
    if name not in SCOPES:
        raise ValueError(f"there is no such scope; there are {', '.join(SCOPES)}")
    return name


Scope = Annotated[str, AfterValidator(known_scope), Field(json_schema_extra={"enum": list(SCOPES)})]


class ApiKeyCreateRequest(BaseModel):
    """A new key: what it is for, what it may do besides reading, and for how long."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"name": "nightly import", "scopes": ["import_content"], "expires_in_days": 90}},
    )

    name: Name
    scopes: set[Scope] = Field(max_length=len(SCOPES), description="none: the key may only read")
    expires_in_days: int = Field(90, ge=1, le=LONGEST_DAYS)


class ApiKeyResponse(BaseModel):
    """A key, without the key."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None = Field(description="to the minute")
    revoked_at: datetime | None


class ApiKeyCreatedResponse(ApiKeyResponse):
    """A new key, the only time that it is shown."""

    key: str = Field(description="keep it now: it is not shown again", examples=["twp_" + "x" * 64])
