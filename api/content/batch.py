"""One action on many pieces: each goes through the gate by itself, in a transaction of its own, with its own result."""

from enum import StrEnum
from typing import Annotated, Final, Self
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from sqlalchemy.ext.asyncio import AsyncSession

from api.assignments import service as assignments
from api.assignments.schemas import AssignmentRequest
from api.auth.caller import Signed, caller_of
from api.content.conditions import refuse_stale
from api.content.representation import tag_of
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
    SCHEDULE = "schedule"
    UNSCHEDULE = "unschedule"
    ARCHIVE = "archive"
    RESTORE = "restore"
    ASSIGN = "assign"


NEEDED: Final = {
    "reason": BatchAction.REJECT,
    "scheduled_at": BatchAction.SCHEDULE,
    "assignee_id": BatchAction.ASSIGN,
}
TAKEN: Final = {**NEEDED, "due_at": BatchAction.ASSIGN}
"""Which action a field is for: beside another it would be passed over in silence, so it is refused."""


class BatchItem(BaseModel):
    """A piece that the action is for."""

    model_config = ConfigDict(extra="forbid")

    id: UUID
    etag: Annotated[str, StringConstraints(max_length=2000)] | None = Field(
        None, description="If-Match of this piece: 412 where it has changed since it was read with this ETag"
    )


def distinct(items: list[BatchItem]) -> list[BatchItem]:
    """Refuse a piece that is there twice. Raises ValueError."""
    if len({item.id for item in items}) != len(items):
        raise ValueError("must not name one piece twice")
    return items


class BatchRequest(BaseModel):
    """An action, and the pieces that it is for."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"action": "submit", "items": [{"id": "0198c0de-0000-7000-8000-000000000001"}]}},
    )

    action: BatchAction
    items: Annotated[list[BatchItem], Field(min_length=1, max_length=MOST), AfterValidator(distinct)]
    reason: Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000), Storable] = ""
    scheduled_at: AwareDatetime | None = None
    assignee_id: UUID | None = None
    due_at: AwareDatetime | None = None

    @model_validator(mode="after")
    def has_what_the_action_needs(self) -> Self:
        """Refuse an action without what it needs, and what no such action takes."""
        for name, action in TAKEN.items():
            if name in NEEDED and action is self.action and not getattr(self, name):
                raise ValueError(f"{action.value} needs {name}")
            if action is not self.action and getattr(self, name):
                raise ValueError(f"{name} is for {action.value}")
        return self


class BatchResult(BaseModel):
    """What became of one piece: 200, or the status and words that the action would have been refused with by itself."""

    id: UUID
    status: int
    detail: str | None
    etag: str | None = Field(description="the piece's ETag now, where the action changes the piece itself")


class BatchResponse(BaseModel):
    """The results, in the order of the request."""

    results: list[BatchResult]


async def do(session: AsyncSession, caller: User, request: BatchRequest, item: BatchItem) -> str | None:
    """Take the action on one piece; its ETag afterwards. Raises what the action by itself would."""
    if item.etag is not None:
        await refuse_stale(session, caller, item.id, item.etag)
    if request.assignee_id is not None:
        await assignments.assign(
            session, caller, item.id, request.assignee_id, AssignmentRequest(due_at=request.due_at)
        )
        return None
    action = Action(request.action.value)
    piece = await take(session, caller, item.id, action, reason=request.reason, at=request.scheduled_at)
    return tag_of(piece)


@router.post("/actions", responses=problems(400, 401, 403, 413, 422))
async def act(doors: OpenDoors, asking: Signed, http: Request, request: BatchRequest) -> BatchResponse:
    """Take an action on up to 100 pieces. One that is refused stops none of the others: each has its own result."""
    async with doors.database.transaction(asking.organization_id) as session:
        await caller_of(session, asking, http)

    async def done(item: BatchItem) -> BatchResult:
        try:
            async with doors.database.transaction(asking.organization_id) as session:
                etag = await do(session, await caller_of(session, asking, http), request, item)
        except Refusal as refusal:
            return BatchResult(id=item.id, status=refusal.status, detail=refusal.detail, etag=None)
        return BatchResult(id=item.id, status=200, detail=None, etag=etag)

    return BatchResponse(results=[await done(item) for item in request.items])
