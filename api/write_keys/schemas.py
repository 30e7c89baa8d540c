"""Write keys as JSON."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from api.content.schemas import Storable
from api.write_keys.models import Right

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), Storable]


class WriteKeyCreateRequest(BaseModel):
    """A new key: what it is for, and what it may do."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"name": "website", "rights": ["events"]}})

    name: Name
    rights: set[Right] = Field(min_length=1)


class WriteKeyResponse(BaseModel):
    """A key, without the key."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    rights: list[Right]
    created_at: datetime
    revoked_at: datetime | None


class WriteKeyCreatedResponse(WriteKeyResponse):
    """A new key, the only time that it is shown."""

    key: str = Field(description="keep it now: it is not shown again", examples=["twk_" + "x" * 43])
