"""Taking an action on a piece: the one place where the state machine is enforced."""

from datetime import UTC, datetime
from uuid import UUID

import msgspec
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from api import audit, outbox
from api.approvals import service as approvals
from api.auth.rules import require
from api.content.models import Content, ContentStatus
from api.content.rich_text import clean
from api.content.service import event_of, find, revise
from api.content.states import TRANSITIONS, VOIDING, Action, check
from api.errors import Invalid
from api.users.models import User
from wire.commands import PUBLISH_CONTENT, Command, PublishContent
from wire.ids import new_id


async def take(
    session: AsyncSession,
    caller: User,
    content_id: UUID,
    action: Action,
    *,
    reason: str = "",
    at: datetime | None = None,
) -> Content:
    """Take an action; `reason` is why a piece is rejected, `at` when it is to be published.

    Raises Forbidden for the role, NotFound, Invalid for a time that is over, and Conflict where the state does not
    allow it.
    """
    require(caller, TRANSITIONS[action].permission)
    piece = await find(session, caller, content_id, to_change=True)
    line = check(action, piece.status)
    piece.publish_problem = None
    details: dict[str, object] = {"revision": piece.revision, **({"reason": reason} if reason else {})}
    if action is Action.PUBLISH:
        details["sha256"] = await _ask_to_publish(session, caller, piece)
        await audit.append(session, caller, "content.publish_requested", piece.id, details)
        return piece
    if action in (Action.APPROVE, Action.REJECT):
        details["sha256"] = await approvals.decide(session, caller, piece, line.event.split(".")[1], reason)
    if action in VOIDING:
        await approvals.void(session, piece.id)
    if action is Action.APPROVE and await approvals.refusal(session, piece):
        await audit.append(session, caller, "content.approval_given", piece.id, details)
        return piece
    if action in (Action.SCHEDULE, Action.UNSCHEDULE):
        await _schedule(session, caller, piece, at)
        details["scheduled_at"] = at.isoformat() if at else None
    elif line.to is not ContentStatus.APPROVED:
        piece.scheduled_at = None
    if action is Action.RESTORE and (cleaned := clean(piece.body)) != piece.body:
        piece.body = cleaned
        await revise(session, piece, caller.id)
        details["revision"] = piece.revision
    piece.status, piece.compliance_status = line.to, line.compliance or piece.compliance_status
    piece.updated_at = func.clock_timestamp()
    await session.flush()
    await audit.append(session, caller, line.event, piece.id, details)
    await outbox.append(session, [event_of(piece, line.event, caller.id, piece.updated_at)])
    return piece


async def _schedule(session: AsyncSession, caller: User, piece: Content, at: datetime | None) -> None:
    """Give a piece its time, or take it. The clock is PostgreSQL's, as it is for the worker that publishes."""
    if at is not None and at <= (await session.scalars(select(func.clock_timestamp()))).one():
        raise Invalid("the time is over: name one that is to come, or publish at once")
    piece.scheduled_at, piece.scheduled_by, piece.schedule_issued_at = at, caller.id if at else None, None


async def _ask_to_publish(session: AsyncSession, caller: User, piece: Content) -> str:
    sha256 = await approvals.sha256_of(session, piece)
    payload = PublishContent(content_id=piece.id, sha256=sha256, actor_id=caller.id)
    command = Command(
        id=new_id(),
        type=PUBLISH_CONTENT,
        organization_id=piece.organization_id,
        key=str(piece.id),
        issued_at=datetime.now(UTC),
        payload=msgspec.Raw(msgspec.json.encode(payload)),
    )
    await outbox.issue(session, command)
    return sha256
