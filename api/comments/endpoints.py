"""The routes of comments."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from api.auth.caller import Caller, Session
from api.comments import service
from api.comments.schemas import (
    CommentCreateRequest,
    CommentListQuery,
    CommentListResponse,
    CommentResponse,
    CommentUpdateRequest,
)
from api.idempotency import Once, created
from api.openapi import problems

router = APIRouter(prefix="/content/{id}/comments", tags=["comments"])
ANSWERS = problems(400, 401, 403, 404, 409)


@router.post("", status_code=201, response_model=CommentResponse, responses=problems(400, 401, 403, 404, 409, 413, 422))
async def create(
    session: Session,
    caller: Caller,
    id: UUID,  # noqa: A002 - the path's own name
    request: CommentCreateRequest,
    once: Once,
) -> Response:
    """Say something about a piece, about some words of it, or about what somebody else has said."""

    async def make() -> Response:
        return created(await service.create(session, caller, id, request))

    return await once(make)


@router.get("", responses=problems(400, 401, 404))
async def index(
    session: Session,
    caller: Caller,
    id: UUID,  # noqa: A002 - the path's own name
    query: Annotated[CommentListQuery, Query()],
) -> CommentListResponse:
    """What was said about a piece, the oldest first, and where the words are that it is about."""
    return await service.listed(session, caller, id, query)


@router.put("/{comment_id}", responses=problems(400, 401, 403, 404, 409, 413))
async def edit(
    session: Session,
    caller: Caller,
    id: UUID,  # noqa: A002 - the path's own name
    comment_id: UUID,
    request: CommentUpdateRequest,
) -> CommentResponse:
    """Put it in other words; its author may."""
    return await service.change(session, caller, id, comment_id, "edited", request.body)


@router.delete("/{comment_id}", responses=ANSWERS)
async def delete(session: Session, caller: Caller, id: UUID, comment_id: UUID) -> CommentResponse:  # noqa: A002 - the path's own name
    """Take the words back; its author may. The answers stay."""
    return await service.change(session, caller, id, comment_id, "deleted")


@router.post("/{comment_id}/resolve", responses=ANSWERS)
async def resolve(session: Session, caller: Caller, id: UUID, comment_id: UUID) -> CommentResponse:  # noqa: A002 - the path's own name
    """Say that a thread is dealt with."""
    return await service.change(session, caller, id, comment_id, "resolved")


@router.post("/{comment_id}/reopen", responses=ANSWERS)
async def reopen(session: Session, caller: Caller, id: UUID, comment_id: UUID) -> CommentResponse:  # noqa: A002 - the path's own name
    """Say that a thread is not dealt with after all."""
    return await service.change(session, caller, id, comment_id, "reopened")
