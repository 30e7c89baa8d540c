"""One action on many pieces: each goes through the gate by itself, in a transaction of its own, with its own result."""

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Annotated, Final, Self
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from sqlalchemy.ext.asyncio import AsyncSession

from api.assignments import service as assignments
from api.assignments.schemas import AssignmentRequest
from api.auth.caller import Signed, caller_of
from api.content.schemas import Storable
from api.content.states import Action
from api.content.transitions import take
from api.doors import OpenDoors
from api.errors import Refusal
from api.openapi import problems
from api.users.models import User

MOST: Final = 100
router = APIRouter(prefix="/content/bulk", tags=["content"])


class BatchAction(StrEnum):
    """What can be done to many pieces at once."""

    SUBMIT = "submit"
    APPROVE = "approve"
    REJECT = "reject"
    RETURN = "return"
    PUBLISH = "publish"
    ARCHIVE = "archive"
    RESTORE = "restore"
    ASSIGN = "assign"


def distinct(ids: list[UUID]) -> list[UUID]:
    """Refuse a piece that is there twice. Raises ValueError."""
    if len(set(ids)) != len(ids):
        raise ValueError("must not name one piece twice")
    return ids


class BatchRequest(BaseModel):
    """An action, and the pieces that it is for."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"action": "submit", "ids": ["0198c0de-0000-7000-8000-000000000001"]}},
    )

    action: BatchAction
    ids: Annotated[list[UUID], Field(min_length=1, max_length=MOST), AfterValidator(distinct)]
    reason: Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000), Storable] = ""
    assignee_id: UUID | None = None
    due_at: AwareDatetime | None = None

    @model_validator(mode="after")
    def has_what_the_action_needs(self) -> Self:
        """Refuse a rejection without a reason, and an assignment to nobody."""
        if self.action is BatchAction.REJECT and not self.reason:
            raise ValueError("reject needs a reason")
        if self.action is BatchAction.ASSIGN and self.assignee_id is None:
            raise ValueError("assign needs an assignee_id")
        return self


class BatchResult(BaseModel):
    """What became of one piece: 200, or the status and words that the action would have been refused with by itself."""

    id: UUID
    status: int
    detail: str | None


class BatchResponse(BaseModel):
    """The results, in the order of the request."""

    results: list[BatchResult]


Deed = Callable[[AsyncSession, User, UUID], Awaitable[object]]


def deed_of(request: BatchRequest) -> Deed:
    """What is to be done to each piece."""
    if request.action is BatchAction.ASSIGN:
        assert request.assignee_id is not None
        assignee_id, asked = request.assignee_id, AssignmentRequest(due_at=request.due_at)
        return lambda session, caller, id_: assignments.assign(session, caller, id_, assignee_id, asked)
    action = Action(request.action.value)
    return lambda session, caller, id_: take(session, caller, id_, action, reason=request.reason)


@router.post("/actions", responses=problems(400, 401, 403, 413, 422))
async def act(doors: OpenDoors, asking: Signed, http: Request, request: BatchRequest) -> BatchResponse:
    """Take an action on up to 100 pieces. One that is refused stops none of the others: each has its own result."""
    async with doors.database.transaction(asking.organization_id) as session:
        await caller_of(session, asking, http)
    deed = deed_of(request)

    async def done(id_: UUID) -> BatchResult:
        try:
            async with doors.database.transaction(asking.organization_id) as session:
                await deed(session, await caller_of(session, asking, http), id_)
        except Refusal as refusal:
            return BatchResult(id=id_, status=refusal.status, detail=refusal.detail)
        return BatchResult(id=id_, status=200, detail=None)

    return BatchResponse(results=[await done(id_) for id_ in request.ids])
