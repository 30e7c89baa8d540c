"""The routes of assignments."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from api.assignments import service
from api.assignments.schemas import AssignmentRequest, AssignmentResponse, WorkListResponse, WorkQuery
from api.auth.caller import Caller, Session
from api.openapi import problems

router = APIRouter(tags=["assignments"])


@router.get("/assignments", responses=problems(400, 401))
async def index(session: Session, caller: Caller, query: Annotated[WorkQuery, Query()]) -> WorkListResponse:
    """What the caller, or somebody else of the organization, is to see to; the first due first."""
    return await service.work(session, caller, query)


@router.get("/content/{id}/assignees", responses=problems(400, 401, 404))
async def show(session: Session, caller: Caller, id: UUID) -> list[AssignmentResponse]:  # noqa: A002 - the path's own name
    """Who is assigned to a piece."""
    return await service.of_piece(session, caller, id)


@router.put("/content/{id}/assignees/{user_id}", responses=problems(400, 401, 403, 404, 413, 422))
async def assign(
    session: Session,
    caller: Caller,
    id: UUID,  # noqa: A002 - the path's own name
    user_id: UUID,
    request: AssignmentRequest,
) -> AssignmentResponse:
    """Assign somebody to a piece, or change by when it is due and when to remind of it."""
    return await service.assign(session, caller, id, user_id, request)


@router.delete("/content/{id}/assignees/{user_id}", status_code=204, responses=problems(400, 401, 403, 404))
async def remove(session: Session, caller: Caller, id: UUID, user_id: UUID) -> None:  # noqa: A002 - the path's own name
    """Take an assignment away."""
    await service.remove(session, caller, id, user_id)
