"""Assignments: given, changed, taken away, listed."""

from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from api import audit
from api.assignments.schemas import (
    AssignmentRequest,
    AssignmentResponse,
    WorkListResponse,
    WorkQuery,
    WorkResponse,
)
from api.auth.rules import Permission, require
from api.content.service import find
from api.errors import Invalid, NotFound
from api.users.models import User

_ACTIVE: Final = text("""
    SELECT CAST(:remind_at AS timestamptz) <= clock_timestamp() AS over FROM users
    WHERE organization_id = :organization AND id = :user AND status = 'active'
""")
_ASSIGN: Final = text("""
    INSERT INTO assignments (organization_id, content_id, user_id, due_at, remind_at, assigned_by)
    VALUES (:organization, :content, :user, :due_at, :remind_at, :by)
    ON CONFLICT (content_id, user_id) DO UPDATE SET
        due_at = EXCLUDED.due_at, remind_at = EXCLUDED.remind_at, assigned_by = EXCLUDED.assigned_by,
        reminded_at = CASE WHEN assignments.remind_at = EXCLUDED.remind_at THEN assignments.reminded_at END
    RETURNING *
""")
_OF_PIECE: Final = text("""
    SELECT * FROM assignments WHERE organization_id = :organization AND content_id = :content
    ORDER BY created_at, user_id
""")
_REMOVE: Final = text("""
    DELETE FROM assignments WHERE organization_id = :organization AND content_id = :content AND user_id = :user
    RETURNING user_id
""")
_WORK: Final = text("""
    SELECT a.*, c.title, c.status, count(*) OVER () AS total
    FROM assignments AS a JOIN content AS c ON c.id = a.content_id AND c.organization_id = a.organization_id
    WHERE a.organization_id = :organization AND a.user_id = :user
    ORDER BY a.due_at NULLS LAST, a.content_id LIMIT :limit OFFSET :offset
""")


async def assign(
    session: AsyncSession, caller: User, content_id: UUID, user_id: UUID, request: AssignmentRequest
) -> AssignmentResponse:
    """Assign somebody, or change by when. Raises Forbidden, NotFound, Invalid for a reminder in the past."""
    require(caller, Permission.ASSIGN_CONTENT)
    piece = await find(session, caller, content_id)
    who = {"organization": caller.organization_id, "user": user_id}
    found = (await session.execute(_ACTIVE, {**who, "remind_at": request.remind_at})).one_or_none()
    if found is None:
        raise NotFound("there is no active user with this id")
    if found.over:
        raise Invalid("remind_at is over: name a time that is to come")
    values = {**who, "content": piece.id, "by": caller.id, "due_at": request.due_at, "remind_at": request.remind_at}
    row = (await session.execute(_ASSIGN, values)).one()
    details = {"user_id": str(user_id), **request.model_dump(mode="json")}
    await audit.append(session, caller, "content.assigned", piece.id, details)
    return AssignmentResponse.model_validate(row)


async def remove(session: AsyncSession, caller: User, content_id: UUID, user_id: UUID) -> None:
    """Take an assignment away. Raises Forbidden, NotFound."""
    require(caller, Permission.ASSIGN_CONTENT)
    values = {"organization": caller.organization_id, "content": content_id, "user": user_id}
    if (await session.execute(_REMOVE, values)).one_or_none() is None:
        raise NotFound("nobody with this id is assigned to this content")
    await audit.append(session, caller, "content.unassigned", content_id, {"user_id": str(user_id)})


async def of_piece(session: AsyncSession, caller: User, content_id: UUID) -> list[AssignmentResponse]:
    """Who is assigned to a piece. Raises NotFound."""
    piece = await find(session, caller, content_id)
    rows = await session.execute(_OF_PIECE, {"organization": caller.organization_id, "content": piece.id})
    return [AssignmentResponse.model_validate(row) for row in rows]


async def work(session: AsyncSession, caller: User, query: WorkQuery) -> WorkListResponse:
    """What somebody is to see to."""
    whose = {"organization": caller.organization_id, "user": query.user_id or caller.id}
    part = {"limit": query.limit, "offset": (query.page - 1) * query.limit}
    rows = (await session.execute(_WORK, {**whose, **part})).all()
    items = [WorkResponse.model_validate(row) for row in rows]
    total = rows[0].total if rows else await _total(session, whose)
    return WorkListResponse(items=items, page=query.page, limit=query.limit, total=total)


async def _total(session: AsyncSession, whose: dict[str, UUID]) -> int:
    counted = "SELECT count(*) FROM assignments WHERE organization_id = :organization AND user_id = :user"
    return int((await session.execute(text(counted), whose)).scalar_one())
