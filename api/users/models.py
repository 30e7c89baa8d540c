"""The table `users`, without the password's hash: the role that serves requests cannot read that column."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from api.db import Base, enum_of


class Role(StrEnum):
    """What a user is in the organization."""

    SUPER_ADMIN = "super_admin"
    ORG_ADMIN = "org_admin"
    EDITOR = "editor"
    APPROVER = "approver"
    VIEWER = "viewer"


class UserStatus(StrEnum):
    """Only active users are let in."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    SUSPENDED = "suspended"


class User(Base):
    """A person, in one organization.

    Two things are not of the person but of this request: `scopes`, which limit what an API key may do, and
    `visits_from`, the own organization of a super_admin who has entered another one.
    """

    __tablename__ = "users"
    __allow_unmapped__ = True
    scopes: frozenset[str] | None = None
    visits_from: UUID | None = None

    id: Mapped[UUID] = mapped_column(primary_key=True)
    email: Mapped[str]
    organization_id: Mapped[UUID]
    role: Mapped[Role] = mapped_column(enum_of(Role, "user_role"))
    profile: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created_at: Mapped[datetime]
    last_login: Mapped[datetime | None]
    status: Mapped[UserStatus] = mapped_column(enum_of(UserStatus, "user_status"))
