"""The table `content`."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, FetchedValue, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from api.db import Base, enum_of


class ContentType(StrEnum):
    """What kind of piece it is."""

    MARKET_UPDATE = "market_update"
    EDUCATION = "education"
    NEWS_ANALYSIS = "news_analysis"
    CUSTOM = "custom"


class ContentStatus(StrEnum):
    """How far it has come."""

    DRAFT = "draft"
    PENDING_APPROVAL = "pending_approval"
    APPROVED = "approved"
    PUBLISHED = "published"
    ARCHIVED = "archived"


class ComplianceStatus(StrEnum):
    """What compliance says of it."""

    PENDING = "pending"
    APPROVED = "approved"
    FLAGGED = "flagged"
    REJECTED = "rejected"


class Content(Base):
    """A piece, as of its latest revision."""

    __tablename__ = "content"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    organization_id: Mapped[UUID]
    creator_id: Mapped[UUID]
    type: Mapped[ContentType] = mapped_column(enum_of(ContentType, "content_type"))
    title: Mapped[str]
    body: Mapped[str]
    platforms: Mapped[list[str]] = mapped_column(ARRAY(Text))
    status: Mapped[ContentStatus] = mapped_column(
        enum_of(ContentStatus, "content_status"), server_default=FetchedValue()
    )
    quality_score: Mapped[float | None]
    compliance_status: Mapped[ComplianceStatus] = mapped_column(
        enum_of(ComplianceStatus, "compliance_status"), server_default=FetchedValue()
    )
    scheduled_at: Mapped[datetime | None]
    scheduled_by: Mapped[UUID | None]
    schedule_issued_at: Mapped[datetime | None]
    published_at: Mapped[datetime | None]
    publish_problem: Mapped[str | None]
    engagement_stats: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    revision: Mapped[int]
    scored_revision: Mapped[int | None]
    score_parts: Mapped[dict[str, float] | None] = mapped_column(JSONB)
    engagement_version: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    origin: Mapped[str] = mapped_column(server_default=FetchedValue())
    source_ref: Mapped[str | None]

    __mapper_args__ = {"eager_defaults": True}  # noqa: RUF012 - how SQLAlchemy wants to be told
