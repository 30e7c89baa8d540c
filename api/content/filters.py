"""What can be asked of a list of content: filters, an order, a page or a cursor."""

from enum import StrEnum
from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from api.content.cursors import Position, position_of
from api.content.models import ComplianceStatus, ContentStatus, ContentType
from api.content.schemas import Platform, Storable


class Sort(StrEnum):
    """What a list is ordered by; `-` is the largest first. What has no value counts as the smallest."""

    CREATED = "created_at"
    NEWEST = "-created_at"
    UPDATED = "updated_at"
    LAST_UPDATED = "-updated_at"
    PUBLISHED = "published_at"
    LAST_PUBLISHED = "-published_at"
    WORST = "quality_score"
    BEST = "-quality_score"
    RELEVANCE = "-relevance"

    @property
    def key(self) -> str:
        """What is compared."""
        return self.value.removeprefix("-")

    @property
    def descending(self) -> bool:
        """Whether the largest comes first."""
        return self.value.startswith("-")


def _in_range(at: AwareDatetime) -> AwareDatetime:
    """Refuse a time that no offset can bring to UTC. Raises ValueError."""
    try:
        at.timestamp()
        at.utctimetuple()
    except (OverflowError, ValueError) as error:
        raise ValueError("must be a time that exists in UTC") from error
    return at


Time = Annotated[AwareDatetime, AfterValidator(_in_range)]


class ContentListQuery(BaseModel):
    """Which pieces, in which order, and which part of them: a page by its number, or what follows a cursor."""

    model_config = ConfigDict(extra="forbid")

    page: int | None = Field(None, ge=1, le=1_000_000, description="1 where neither it nor a cursor is given")
    limit: int = Field(20, ge=1, le=100)
    cursor: str | None = Field(None, max_length=200, description="a `next_cursor`, with the same sort; instead of page")
    sort: Sort | None = Field(None, description="the newest first where it is not given, the best match for a search")
    status: ContentStatus | None = None
    platform: Platform | None = None
    type: ContentType | None = None
    creator_id: UUID | None = None
    assignee_id: UUID | None = None
    compliance_status: ComplianceStatus | None = None
    created_from: Time | None = Field(None, description="this time or later")
    created_to: Time | None = Field(None, description="before this time")
    updated_from: Time | None = None
    updated_to: Time | None = None
    published_from: Time | None = None
    published_to: Time | None = None
    quality_min: float | None = Field(None, ge=0, le=10)
    quality_max: float | None = Field(None, ge=0, le=10)
    q: Annotated[str, Storable] | None = Field(
        None,
        min_length=1,
        max_length=200,
        description='words in title or body, "a phrase", or, -without',
    )

    @model_validator(mode="after")
    def fits_together(self) -> Self:
        """Refuse what cannot be answered as asked."""
        if self.page is not None and self.cursor is not None:
            raise ValueError("give a page or a cursor, not both")
        if self.sort is Sort.RELEVANCE and self.q is None:
            raise ValueError("relevance needs a search: give q")
        self.after()
        return self

    def order(self) -> Sort:
        """The order that was asked for, or the one that suits."""
        return self.sort or (Sort.NEWEST if self.q is None else Sort.RELEVANCE)

    def after(self) -> Position | None:
        """What the page begins after. Raises ValueError for a cursor that is not ours, or of another order."""
        return None if self.cursor is None else position_of(self.cursor, self.order().value)


async def asked_of(request: Request) -> ContentListQuery:
    """What a request asks of a list, read at once: FastAPI would take each field's annotation apart at each request.

    Raises RequestValidationError.
    """
    try:
        return ContentListQuery.model_validate(dict(request.query_params))
    except ValidationError as error:
        raise RequestValidationError([{**one, "loc": ("query", *one["loc"])} for one in error.errors()]) from error


def parameters() -> list[dict[str, Any]]:
    """The same, for the OpenAPI document."""
    schema = ContentListQuery.model_json_schema()
    return [
        {
            "name": name,
            "in": "query",
            "required": False,
            **({"description": field["description"]} if "description" in field else {}),
            "schema": _inlined({key: value for key, value in field.items() if key != "description"}, schema["$defs"]),
        }
        for name, field in schema["properties"].items()
    ]


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:
    """A JSON schema with what it refers to in its place."""
    if isinstance(schema, list):
        return [_inlined(one, definitions) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return definitions[schema["$ref"].rpartition("/")[2]]
    return {key: _inlined(value, definitions) for key, value in schema.items()}
