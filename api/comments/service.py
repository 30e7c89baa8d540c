"""Comments: made, answered, edited, resolved, deleted, listed with where their words are now."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from api import audit
from api.auth.rules import Permission, require
from api.comments.anchors import Place, moved
from api.comments.schemas import (
    ORDER,
    Anchor,
    CommentCreateRequest,
    CommentListQuery,
    CommentListResponse,
    CommentResponse,
    PlaceResponse,
)
from api.content.cursors import Position, cursor_of
from api.content.models import Content
from api.content.service import find as find_piece
from api.errors import Conflict, Forbidden, Invalid, NotFound
from api.users.models import User
from wire.ids import new_id

_INSERT: Final = text("""
    INSERT INTO comments
        (id, organization_id, content_id, parent_id, author_id, body, revision, first, last, quote)
    VALUES (:id, :organization, :content, :parent, :author, :body, :revision, :first, :last, :quote)
    RETURNING *
""")
_ONE: Final = text("""
    SELECT * FROM comments WHERE organization_id = :organization AND content_id = :content AND id = :id
    FOR NO KEY UPDATE
""")
_LIST: Final = text("""
    SELECT * FROM comments WHERE organization_id = :organization AND content_id = :content
      AND (CAST(:after AS uuid) IS NULL OR id > :after)
    ORDER BY id LIMIT :limit
""")
_BODIES: Final = text("""
    SELECT revision, body FROM content_revisions
    WHERE organization_id = :organization AND content_id = :content AND revision = ANY (:revisions)
""")
CHANGES: Final = {
    "edited": "body = :body, edited_at = clock_timestamp()",
    "deleted": "body = '', deleted_at = clock_timestamp()",
    "resolved": "resolved_at = clock_timestamp(), resolved_by = :user",
    "reopened": "resolved_at = NULL, resolved_by = NULL",
}


async def create(
    session: AsyncSession, caller: User, content_id: UUID, request: CommentCreateRequest
) -> CommentResponse:
    """A new comment. Raises Forbidden, NotFound, Invalid where the quoted words are not where the anchor says."""
    require(caller, Permission.COMMENT)
    piece = await find_piece(session, caller, content_id)
    if request.parent_id is not None:
        parent = await _find(session, caller, content_id, request.parent_id)
        if parent.parent_id is not None or parent.deleted_at is not None:
            raise Conflict("answer the first comment of the thread, and one that is still there")
    if request.anchor is not None:
        await _check(session, piece, request.anchor)
    anchor = request.anchor.model_dump() if request.anchor else {"first": None, "last": None, "quote": None}
    values = {
        "id": new_id(),
        "organization": caller.organization_id,
        "content": piece.id,
        "parent": request.parent_id,
        "author": caller.id,
        "body": request.body,
        "revision": piece.revision,
        **anchor,
    }
    row = (await session.execute(_INSERT, values)).one()
    await audit.append(session, caller, "comment.created", piece.id, {"comment_id": str(row.id)})
    return (await _shown(session, piece, [row]))[0]


async def change(
    session: AsyncSession, caller: User, content_id: UUID, comment_id: UUID, deed: str, body: str = ""
) -> CommentResponse:
    """Edit, delete, resolve or reopen: the keys of CHANGES. Raises Forbidden, NotFound, Conflict."""
    require(caller, Permission.COMMENT)
    piece = await find_piece(session, caller, content_id)
    held = await _find(session, caller, content_id, comment_id)
    _refuse(caller, held, deed)
    sql = f"UPDATE comments SET {CHANGES[deed]} WHERE id = :id AND organization_id = :organization RETURNING *"  # noqa: S608 - our own words
    values = {"id": held.id, "organization": caller.organization_id}
    values |= {"body": body} if deed == "edited" else {"user": caller.id} if deed == "resolved" else {}
    row = (await session.execute(text(sql), values)).one()
    await audit.append(session, caller, f"comment.{deed}", piece.id, {"comment_id": str(held.id)})
    return (await _shown(session, piece, [row]))[0]


def _refuse(caller: User, held: Any, deed: str) -> None:
    if deed in ("edited", "deleted") and held.author_id != caller.id:
        raise Forbidden("only who has written a comment may change it")
    if held.deleted_at is not None:
        raise Conflict("this comment was deleted")
    if deed in ("resolved", "reopened") and held.parent_id is not None:
        raise Conflict("a thread is resolved at its first comment")
    if deed in ("resolved", "reopened") and (held.resolved_at is None) is (deed == "reopened"):
        raise Conflict(f"this comment is {deed} already" if deed == "resolved" else "this comment is not resolved")


async def listed(session: AsyncSession, caller: User, content_id: UUID, query: CommentListQuery) -> CommentListResponse:
    """The comments of a piece, the oldest first. Raises NotFound."""
    piece = await find_piece(session, caller, content_id)
    values = {"organization": caller.organization_id, "content": piece.id, "after": query.after()}
    rows = (await session.execute(_LIST, {**values, "limit": query.limit + 1})).all()
    items = await _shown(session, piece, rows[: query.limit])
    more = len(rows) > query.limit
    return CommentListResponse(items=items, next_cursor=cursor_of(ORDER, Position(0.0, items[-1].id)) if more else None)


async def _find(session: AsyncSession, caller: User, content_id: UUID, comment_id: UUID) -> Any:
    values = {"organization": caller.organization_id, "content": content_id, "id": comment_id}
    row = (await session.execute(_ONE, values)).one_or_none()
    if row is None:
        raise NotFound("there is no comment with this id on this content")
    return row


async def _check(session: AsyncSession, piece: Content, anchor: Anchor) -> None:
    body = (await _bodies(session, piece, [anchor.revision])).get(anchor.revision)
    if body is None or body[anchor.first : anchor.last] != anchor.quote:
        raise Invalid("the anchor's quote is not what stands there in that revision; read the content again")


async def _bodies(session: AsyncSession, piece: Content, revisions: Sequence[int]) -> dict[int, str]:
    values = {"organization": piece.organization_id, "content": piece.id, "revisions": list(revisions)}
    return {row.revision: row.body for row in await session.execute(_BODIES, values)}


async def _shown(session: AsyncSession, piece: Content, rows: Sequence[Any]) -> list[CommentResponse]:
    older = {row.revision for row in rows if row.quote is not None and row.revision != piece.revision}
    bodies = await _bodies(session, piece, sorted(older)) if older else {}
    return [_response(row, bodies.get(row.revision, piece.body), piece.body) for row in rows]


def _response(row: Any, old: str, new: str) -> CommentResponse:
    anchor = place = None
    if row.quote is not None:
        anchor = Anchor(revision=row.revision, first=row.first, last=row.last, quote=row.quote)
        place = moved(Place(row.first, row.last), old, new)
    return CommentResponse(
        **{name: getattr(row, name) for name in CommentResponse.model_fields if hasattr(row, name)},
        anchor=anchor,
        now=PlaceResponse(first=place.first, last=place.last) if place else None,
        outdated=anchor is not None and place is None,
    )
