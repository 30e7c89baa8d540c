"""The routes of a piece's life: actions, revisions, approvals."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, StringConstraints

from api.approvals import service as approvals
from api.approvals.schemas import ApprovalResponse
from api.auth.caller import Caller, Session
from api.content import revisions, service
from api.content.conditions import unless_stale
from api.content.endpoints import ETAG, SHOWN
from api.content.representation import answer
from api.content.revisions import DiffResponse, RevisionResponse, RevisionSummary
from api.content.schemas import ContentResponse, Storable
from api.content.states import Action
from api.content.transitions import take
from api.openapi import problems

router = APIRouter(prefix="/content/{id}", tags=["publishing"], dependencies=[Depends(unless_stale)])
REFUSED = problems(400, 401, 403, 404, 409, 412)
ANSWERS = {**SHOWN, **REFUSED}
WITH_BODY = {**ANSWERS, **problems(413, 422)}
ASKED: dict[int | str, dict[str, Any]] = {202: {"headers": ETAG}, **REFUSED}
Number = Annotated[int, Path(ge=1, le=2**31 - 1)]


class RejectRequest(BaseModel):
    """Why a piece is rejected."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"reason": "the source is missing"}})

    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000), Storable]


class ScheduleRequest(BaseModel):
    """When a piece is to be published."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"scheduled_at": "2030-01-01T07:00:00Z"}})

    scheduled_at: AwareDatetime


@router.post("/submit", response_model=ContentResponse, responses=ANSWERS)
async def submit(session: Session, caller: Caller, id: UUID) -> Response:  # noqa: A002 - the path's own name
    """Ask for the approval of a draft."""
    return answer(await take(session, caller, id, Action.SUBMIT))


@router.post("/approve", response_model=ContentResponse, responses=ANSWERS)
async def approve(session: Session, caller: Caller, id: UUID) -> Response:  # noqa: A002 - the path's own name
    """Approve the revision as it stands; with the last approval that the policy asks for, the piece is approved."""
    return answer(await take(session, caller, id, Action.APPROVE))


@router.post("/reject", response_model=ContentResponse, responses=WITH_BODY)
async def reject(
    session: Session,
    caller: Caller,
    id: UUID,  # noqa: A002 - the path's own name
    request: RejectRequest,
) -> Response:
    """Reject the revision with a reason; the piece is a draft again."""
    return answer(await take(session, caller, id, Action.REJECT, reason=request.reason))


@router.post("/return", response_model=ContentResponse, responses=ANSWERS)
async def return_to_draft(session: Session, caller: Caller, id: UUID) -> Response:  # noqa: A002 - the path's own name
    """Take a piece back to draft; its approvals are void."""
    return answer(await take(session, caller, id, Action.RETURN))


@router.post("/publish", status_code=202, response_model=ContentResponse, responses=ASKED)
async def publish(session: Session, caller: Caller, id: UUID) -> Response:  # noqa: A002 - the path's own name
    """Ask for publication. It happens soon after, or `publish_problem` says why it was refused."""
    return answer(await take(session, caller, id, Action.PUBLISH), 202)


@router.post("/schedule", response_model=ContentResponse, responses=WITH_BODY)
async def schedule(
    session: Session,
    caller: Caller,
    id: UUID,  # noqa: A002 - the path's own name
    request: ScheduleRequest,
) -> Response:
    """Have approved content published at a time; another time takes the place of the one before."""
    return answer(await take(session, caller, id, Action.SCHEDULE, at=request.scheduled_at))


@router.delete("/schedule", response_model=ContentResponse, responses=ANSWERS)
async def unschedule(session: Session, caller: Caller, id: UUID) -> Response:  # noqa: A002 - the path's own name
    """Take the time away: the piece stays approved, and nothing is published by itself."""
    return answer(await take(session, caller, id, Action.UNSCHEDULE))


@router.post("/archive", response_model=ContentResponse, responses=ANSWERS)
async def archive(session: Session, caller: Caller, id: UUID) -> Response:  # noqa: A002 - the path's own name
    """Put a piece away."""
    return answer(await take(session, caller, id, Action.ARCHIVE))


@router.post("/restore", response_model=ContentResponse, responses=ANSWERS)
async def restore(session: Session, caller: Caller, id: UUID) -> Response:  # noqa: A002 - the path's own name
    """Take an archived piece back, as a draft."""
    return answer(await take(session, caller, id, Action.RESTORE))


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
