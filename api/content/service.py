"""Pieces: create, find, change."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from api import audit, outbox
from api.approvals import service as approvals
from api.auth.rules import Permission, allowed, require
from api.content import revisions
from api.content.models import ComplianceStatus, Content, ContentStatus
from api.content.representation import COLUMNS
from api.content.schemas import ContentCreateRequest, ContentUpdateRequest
from api.errors import Conflict, Forbidden, NotFound
from api.reads import Reader, Reads, Statement, confined
from api.users.models import User
from wire.events import ContentEvent, ContentState
from wire.ids import new_id

_READ: Final = confined(
    f"SELECT {', '.join(COLUMNS)} FROM content WHERE id = $4 AND organization_id = reader.organization_id"  # noqa: S608 - our own names
)


def event_of(piece: Content, kind: str, actor_id: UUID, at: datetime) -> ContentEvent:
    """What happened to a piece, as others are told."""
    state = ContentState(
        type=piece.type.value,
        title=piece.title,
        body=piece.body,
        platforms=tuple(piece.platforms),
        status=piece.status.value,
    )
    return ContentEvent(
        id=new_id(),
        type=kind,
        organization_id=piece.organization_id,
        content_id=piece.id,
        revision=piece.revision,
        actor_id=actor_id,
        at=at,
        content=state,
    )


async def create(session: AsyncSession, caller: User, request: ContentCreateRequest) -> Content:
    """A new draft, and its `content.created`."""
    piece = Content(
        id=new_id(),
        organization_id=caller.organization_id,
        creator_id=caller.id,
        type=request.type,
        title=request.title,
        body=request.body,
        platforms=request.platforms,
        revision=1,
    )
    session.add(piece)
    await session.flush()
    await revisions.record(session, [piece.id], caller.id)
    await audit.append(session, caller, "content.created", piece.id, {"revision": 1})
    await outbox.append(session, [event_of(piece, "content.created", caller.id, piece.created_at)])
    return piece


async def find(session: AsyncSession, caller: User, content_id: UUID, *, to_change: bool = False) -> Content:
    """A piece of the caller's organization, locked where it is to change. Raises NotFound."""
    asked = select(Content).where(Content.id == content_id, Content.organization_id == caller.organization_id)
    piece = await session.scalar(asked.with_for_update(key_share=True) if to_change else asked)
    if piece is None:
        raise NotFound("there is no content with this id")
    return piece


async def read(reads: Reads, reader: Reader, content_id: UUID) -> Mapping[str, Any]:
    """A piece of the reader's organization, to be shown. Raises NotFound."""
    row: Mapping[str, Any]
    (row,) = await reads.rows(reader, Statement(_READ, [content_id]))
    if row["id"] is None:
        raise NotFound("there is no content with this id")
    return row


async def revise(session: AsyncSession, piece: Content, author_id: UUID) -> None:
    """Make the text that a piece was just given its next revision.

    Approvals are of the revision before, so they are void, and the piece is a draft again.
    """
    piece.revision += 1
    piece.updated_at = func.clock_timestamp()
    piece.status, piece.compliance_status = ContentStatus.DRAFT, ComplianceStatus.PENDING
    piece.publish_problem = piece.scheduled_at = None
    await session.flush()
    await approvals.void(session, piece.id)
    await revisions.record(session, [piece.id], author_id)


async def update(
    session: AsyncSession, caller: User, content_id: UUID, request: ContentUpdateRequest, **details: object
) -> Content:
    """The next revision of a piece, and its `content.updated`. Raises NotFound, Forbidden, Conflict.

    `details` go into the audit trail.
    """
    require(caller, Permission.EDIT_OWN_CONTENT)
    piece = await find(session, caller, content_id, to_change=True)
    if piece.creator_id != caller.id and not allowed(caller, Permission.EDIT_ANY_CONTENT):
        raise Forbidden(f"the role {caller.role.value} may change only what it has created")
    if piece.status in (ContentStatus.PUBLISHED, ContentStatus.ARCHIVED):
        raise Conflict(
            f"{piece.status.value} content cannot be edited: archive it, restore it as a draft, then edit it"
        )
    for name, value in request.changes().items():
        setattr(piece, name, value)
    await revise(session, piece, caller.id)
    await audit.append(session, caller, "content.updated", piece.id, {"revision": piece.revision, **details})
    await outbox.append(session, [event_of(piece, "content.updated", caller.id, piece.updated_at)])
    return piece
