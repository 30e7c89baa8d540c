"""The routes of a piece's life: actions, revisions, approvals."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path
from pydantic import AwareDatetime, BaseModel, ConfigDict, StringConstraints

from api.approvals import service as approvals
from api.approvals.schemas import ApprovalResponse
from api.auth.caller import Caller, Session
from api.content import revisions, service
from api.content.conditions import unless_stale
from api.content.revisions import DiffResponse, RevisionResponse, RevisionSummary
from api.content.schemas import ContentResponse, Storable
from api.content.states import Action
from api.content.transitions import take
from api.openapi import problems

router = APIRouter(prefix="/content/{id}", tags=["publishing"], dependencies=[Depends(unless_stale)])
ANSWERS = problems(400, 401, 403, 404, 409, 412)
Number = Annotated[int, Path(ge=1, le=2**31 - 1)]


class RejectRequest(BaseModel):
    """Why a piece is rejected."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"reason": "the source is missing"}})

    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000), Storable]


class ScheduleRequest(BaseModel):
    """When a piece is to be published."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"scheduled_at": "2030-01-01T07:00:00Z"}})

    scheduled_at: AwareDatetime


@router.post("/submit", responses=ANSWERS)
async def submit(session: Session, caller: Caller, id: UUID) -> ContentResponse:  # noqa: A002 - the path's own name
    """Ask for the approval of a draft."""
    return ContentResponse.model_validate(await take(session, caller, id, Action.SUBMIT))


@router.post("/approve", responses=ANSWERS)
async def approve(session: Session, caller: Caller, id: UUID) -> ContentResponse:  # noqa: A002 - the path's own name
    """Approve the revision as it stands; with the last approval that the policy asks for, the piece is approved."""
    return ContentResponse.model_validate(await take(session, caller, id, Action.APPROVE))


@router.post("/reject", responses=problems(400, 401, 403, 404, 409, 412, 413, 422))
async def reject(
    session: Session,
    caller: Caller,
    id: UUID,  # noqa: A002 - the path's own name
    request: RejectRequest,
) -> ContentResponse:
    """Reject the revision with a reason; the piece is a draft again."""
    return ContentResponse.model_validate(await take(session, caller, id, Action.REJECT, reason=request.reason))


@router.post("/return", responses=ANSWERS)
async def return_to_draft(session: Session, caller: Caller, id: UUID) -> ContentResponse:  # noqa: A002 - the path's own name
    """Take a piece back to draft; its approvals are void."""
    return ContentResponse.model_validate(await take(session, caller, id, Action.RETURN))


@router.post("/publish", status_code=202, responses=ANSWERS)
async def publish(session: Session, caller: Caller, id: UUID) -> ContentResponse:  # noqa: A002 - the path's own name
    """Ask for publication. It happens soon after, or `publish_problem` says why it was refused."""
    return ContentResponse.model_validate(await take(session, caller, id, Action.PUBLISH))


@router.post("/schedule", responses=problems(400, 401, 403, 404, 409, 412, 413, 422))
async def schedule(
    session: Session,
    caller: Caller,
    id: UUID,  # noqa: A002 - the path's own name
    request: ScheduleRequest,
) -> ContentResponse:
    """Have approved content published at a time; another time takes the place of the one before."""
    return ContentResponse.model_validate(await take(session, caller, id, Action.SCHEDULE, at=request.scheduled_at))


@router.delete("/schedule", responses=ANSWERS)
async def unschedule(session: Session, caller: Caller, id: UUID) -> ContentResponse:  # noqa: A002 - the path's own name
    """Take the time away: the piece stays approved, and nothing is published by itself."""
    return ContentResponse.model_validate(await take(session, caller, id, Action.UNSCHEDULE))


@router.post("/archive", responses=ANSWERS)
async def archive(session: Session, caller: Caller, id: UUID) -> ContentResponse:  # noqa: A002 - the path's own name
    """Put a piece away."""
    return ContentResponse.model_validate(await take(session, caller, id, Action.ARCHIVE))


@router.post("/restore", responses=ANSWERS)
async def restore(session: Session, caller: Caller, id: UUID) -> ContentResponse:  # noqa: A002 - the path's own name
    """Take an archived piece back, as a draft."""
    return ContentResponse.model_validate(await take(session, caller, id, Action.RESTORE))


@router.get("/approvals", responses=problems(400, 401, 404))
async def show_approvals(session: Session, caller: Caller, id: UUID) -> list[ApprovalResponse]:  # noqa: A002 - the path's own name
    """Every decision on a piece, void ones too, the oldest first."""
    return await approvals.index(session, (await service.find(session, caller, id)).id)


@router.get("/revisions", responses=problems(400, 401, 404))
async def list_revisions(session: Session, caller: Caller, id: UUID) -> list[RevisionSummary]:  # noqa: A002 - the path's own name
    """The newest 500 revisions of a piece, the newest first."""
    return await revisions.index(session, (await service.find(session, caller, id)).id)


@router.get("/revisions/{first}...{last}", responses=problems(400, 401, 404))
async def show_difference(
    session: Session,
    caller: Caller,
    id: UUID,  # noqa: A002 - the path's own name
    first: Number,
    last: Number,
) -> DiffResponse:
    """How one revision became another."""
    piece = await service.find(session, caller, id)
    return revisions.difference(
        await revisions.find(session, piece.id, first), await revisions.find(session, piece.id, last)
    )


@router.get("/revisions/{number}", responses=problems(400, 401, 404))
async def show_revision(
    session: Session,
    caller: Caller,
    id: UUID,  # noqa: A002 - the path's own name
    number: Number,
) -> RevisionResponse:
    """One revision as it was."""
    return await revisions.find(session, (await service.find(session, caller, id)).id, number)
