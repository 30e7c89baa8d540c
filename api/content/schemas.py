"""Content as JSON: what may be sent, and what comes back."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic.config import JsonDict

from api.content.models import ComplianceStatus, ContentStatus, ContentType
from api.content.rich_text import RichText, clean
from wire.events import PLATFORM_PATTERN

MAX_BODY_CHARACTERS = 200_000
MAX_PLATFORMS = 32
MAX_PIECES = 1000


def storable(text: str) -> str:
    """Refuse what PostgreSQL cannot keep. Raises ValueError."""
    if "\0" in text:
        raise ValueError("must not contain NUL characters")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("must not contain half a surrogate pair")
    return text


def distinct(items: list[str]) -> list[str]:
    """Refuse an item that is there twice. Raises ValueError."""
    if len(set(items)) != len(items):
        raise ValueError("must not name one platform twice")
    return items


Storable = AfterValidator(storable)
Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), Storable]
Body = Annotated[
    str,
    Field(max_length=MAX_BODY_CHARACTERS, description="HTML; what is not on the allow-list is taken out"),
    Storable,
    AfterValidator(clean),
]
Platform = Annotated[str, Field(pattern=PLATFORM_PATTERN)]
Platforms = Annotated[
    list[Platform], Field(max_length=MAX_PLATFORMS, json_schema_extra={"uniqueItems": True}), AfterValidator(distinct)
]
SourceRef = Annotated[str, Field(min_length=1, max_length=500), Storable]

EXAMPLE: JsonDict = {
    "type": "market_update",
    "title": "Bonds rally as inflation cools",
    "body": "Yields fell for a third day ...",
    "platforms": ["web", "newsletter"],
}


class ContentCreateRequest(BaseModel):
    """A new piece; it begins as a draft."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": EXAMPLE})

    type: ContentType
    title: Title
    body: Body = ""
    platforms: Platforms = []


def absent() -> Any:
    """Stands in for a field that was not named; a null that was sent is refused."""
    return None


class ContentUpdateRequest(BaseModel):
    """What is to change; what is not named stays."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"minProperties": 1, "example": {"title": "Bonds rally again"}}
    )

    type: ContentType = Field(default_factory=absent)
    title: Title = Field(default_factory=absent)
    body: Body = Field(default_factory=absent)
    platforms: Platforms = Field(default_factory=absent)

    @model_validator(mode="after")
    def names_something(self) -> Self:
        """Refuse an update of nothing."""
        if not self.model_fields_set:
            raise ValueError("name at least one of type, title, body, platforms")
        return self

    def changes(self) -> dict[str, Any]:
        """The fields that were named, with their new values."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class ContentResponse(BaseModel):
    """A piece as it stands."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    organization_id: UUID
    creator_id: UUID
    type: ContentType
    title: str
    body: RichText
    platforms: list[str]
    status: ContentStatus
    quality_score: float | None = Field(description="0 to 10; null until the revision has been scored")
    compliance_status: ComplianceStatus
    scheduled_at: datetime | None
    published_at: datetime | None
    publish_problem: str | None = Field(description="why the last publication was refused; null where none was")
    engagement_stats: dict[str, Any] = Field(
        description="totals by platform and kind, and the platforms' own totals; `/stats` is fresher"
    )
    created_at: datetime
    updated_at: datetime
    revision: int = Field(description="1 for a new piece, one more with every change")
    shown_cleaned: bool = Field(
        description="true where the text that was published holds what the allow-list does not: `body` is without it"
    )


class ContentListResponse(BaseModel):
    """A part of a list. `page` and `total` are null where a cursor was given."""

    items: list[ContentResponse]
    page: int | None
    limit: int
    total: int | None = Field(description="how many match in all")
    next_cursor: str | None = Field(description="where the list goes on, whatever comes in meanwhile; null at its end")


class ImportedPiece(BaseModel):
    """A piece that exists elsewhere already; `source_ref` is its name there."""

    model_config = ConfigDict(extra="forbid")

    source_ref: SourceRef
    type: ContentType
    title: Title
    body: Body = ""
    platforms: Platforms = []
    status: Literal[ContentStatus.DRAFT, ContentStatus.PUBLISHED, ContentStatus.ARCHIVED] = ContentStatus.DRAFT
    published_at: AwareDatetime | None = Field(None, description="null where it is not known")

    @model_validator(mode="after")
    def published_before_dated(self) -> Self:
        """Refuse a draft with a date of publication."""
        if self.published_at and self.status is ContentStatus.DRAFT:
            raise ValueError("a draft has no published_at")
        return self


class ContentBulkRequest(BaseModel):
    """Pieces to import, at most a thousand."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"pieces": [{"source_ref": "/news/1.html", "status": "published", **EXAMPLE}]}},
    )

    pieces: list[ImportedPiece] = Field(min_length=1, max_length=MAX_PIECES)


class ImportedResponse(BaseModel):
    """What an imported piece is called here, and whether this call made it."""

    source_ref: str
    id: UUID
    created: bool
