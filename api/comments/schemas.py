"""Comments as JSON. They are plain text: whoever shows one shows it as text, never as HTML."""

from datetime import datetime
from typing import Annotated, Final, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from api.content.cursors import position_of
from api.content.schemas import MAX_BODY_CHARACTERS, Storable

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=10_000), Storable]
ORDER: Final = "comments"
At = Annotated[int, Field(ge=0, le=MAX_BODY_CHARACTERS)]


class Anchor(BaseModel):
    """The words that a comment is about: `body[first:last]` of a revision, counted in characters."""

    model_config = ConfigDict(extra="forbid")

    revision: int = Field(ge=1, le=2**31 - 1)
    first: At
    last: At
    quote: Annotated[str, Field(min_length=1, max_length=2000), Storable]


class CommentCreateRequest(BaseModel):
    """A comment on a piece, on some of its words, or on another comment."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "body": "Since when?",
                "anchor": {"revision": 1, "first": 0, "last": 11, "quote": "Yields fell"},
            }
        },
    )

    body: Words
    parent_id: UUID | None = Field(None, description="the comment that this one answers")
    anchor: Anchor | None = None

    @model_validator(mode="after")
    def answers_or_points(self) -> Self:
        """Refuse an answer with an anchor of its own: it is about what its parent is about."""
        if self.parent_id and self.anchor:
            raise ValueError("an answer has no anchor of its own")
        return self


class CommentUpdateRequest(BaseModel):
    """Other words for a comment."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"body": "Since Monday?"}})

    body: Words


class PlaceResponse(BaseModel):
    """A place in the body as it stands."""

    first: int
    last: int


class CommentResponse(BaseModel):
    """A comment. A deleted one stays, without its words, for the answers that it has."""

    id: UUID
    content_id: UUID
    parent_id: UUID | None
    author_id: UUID
    body: str
    anchor: Anchor | None = Field(description="as it was made")
    now: PlaceResponse | None = Field(description="where the words are now")
    outdated: bool = Field(description="the words of the anchor are no longer in the body")
    created_at: datetime
    edited_at: datetime | None
    resolved_at: datetime | None
    resolved_by: UUID | None
    deleted_at: datetime | None


class CommentListQuery(BaseModel):
    """Which comments."""

    model_config = ConfigDict(extra="forbid")

    cursor: str | None = Field(None, max_length=200, description="the `next_cursor` of the part before")
    limit: int = Field(50, ge=1, le=100)

    @model_validator(mode="after")
    def has_a_cursor_of_ours(self) -> Self:
        """Refuse any other. Raises ValueError."""
        self.after()
        return self

    def after(self) -> UUID | None:
        """The comment that the part begins after."""
        return position_of(self.cursor, ORDER).id if self.cursor else None


class CommentListResponse(BaseModel):
    """A part of a piece's comments, the oldest first."""

    items: list[CommentResponse]
    next_cursor: str | None = Field(description="null at the end")
