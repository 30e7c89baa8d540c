"""Approvals and policies: read and written."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from api import audit
from api.approvals.schemas import ApprovalResponse, Policy
from api.content.models import Content, ContentType
from api.errors import Conflict, Forbidden
from api.users.models import Role, User

_VOID = text("UPDATE approvals SET voided_at = now() WHERE content_id = :id AND voided_at IS NULL")
_LIST = text("SELECT * FROM approvals WHERE content_id = :id ORDER BY created_at, id")
_WROTE = text("SELECT EXISTS (SELECT FROM content_revisions WHERE content_id = :id AND author_id = :user)")
_DECIDE = text("""
    INSERT INTO approvals (organization_id, content_id, revision, sha256, approver_id, decision, reason)
    VALUES (:organization, :id, :revision, :sha256, :user, :decision, :reason)
""")
_SHA256 = text("SELECT sha256 FROM content_revisions WHERE content_id = :id AND revision = :revision")
_STANDING = text("""
    SELECT approver_id FROM content, standing_approvals(content) AS given, policy_of(content) AS policy
    WHERE content.id = :id AND given.created_at + policy.expires_after > clock_timestamp()
""")
_VOID_OWN = text("""
    UPDATE approvals SET voided_at = now() WHERE content_id = :id AND approver_id = :user AND voided_at IS NULL
""")
_REFUSAL = text("SELECT publish_refusal(content) FROM content WHERE id = :id")
_POLICIES = text("SELECT type, steps::text[] AS steps, expires_after FROM approval_policies")
_SET_POLICY = text("""
    INSERT INTO approval_policies (organization_id, type, steps, expires_after)
    VALUES (:organization, :type, CAST(CAST(:steps AS text[]) AS user_role[]), :expires_after)
    ON CONFLICT (organization_id, type) DO UPDATE SET steps = EXCLUDED.steps, expires_after = EXCLUDED.expires_after
""")
_ADMINS = (Role.ORG_ADMIN, Role.SUPER_ADMIN)


async def void(session: AsyncSession, content_id: UUID) -> None:
    """End every decision on a piece."""
    await session.execute(_VOID, {"id": content_id})


async def index(session: AsyncSession, content_id: UUID) -> list[ApprovalResponse]:
    """Every decision on a piece, void ones too, the oldest first."""
    return [ApprovalResponse.model_validate(row) for row in await session.execute(_LIST, {"id": content_id})]


async def sha256_of(session: AsyncSession, piece: Content) -> str:
    """The hash of a piece's revision. Raises Conflict where none was kept."""
    found = await session.scalar(_SHA256, {"id": piece.id, "revision": piece.revision})
    if found is None:
        raise Conflict("this revision was not kept: edit the content, then submit it again")
    return str(found)


async def refusal(session: AsyncSession, piece: Content) -> str | None:
    """Why a piece may not be published as it stands; None where it may."""
    found: str | None = await session.scalar(_REFUSAL, {"id": piece.id})
    return found


async def decide(session: AsyncSession, caller: User, piece: Content, decision: str, reason: str) -> str:
    """Write a decision on the piece's revision; answers its hash. Raises Forbidden, Conflict."""
    sha256 = await sha256_of(session, piece)
    if decision == "approved":
        await _check_turn(session, caller, piece)
    values = {"organization": caller.organization_id, "id": piece.id, "revision": piece.revision, "sha256": sha256}
    await session.execute(_DECIDE, {**values, "user": caller.id, "decision": decision, "reason": reason})
    return sha256


async def _check_turn(session: AsyncSession, caller: User, piece: Content) -> None:
    if piece.creator_id == caller.id or await session.scalar(_WROTE, {"id": piece.id, "user": caller.id}):
        raise Forbidden("four eyes: who has written a piece may not approve it")
    held = list(await session.scalars(_STANDING, {"id": piece.id}))
    if caller.id in held:
        raise Conflict("you have approved this revision already; another person must")
    await session.execute(_VOID_OWN, {"id": piece.id, "user": caller.id})
    steps = (await policy_of(session, piece.type)).steps
    if len(held) < len(steps) and caller.role not in (steps[len(held)], *_ADMINS):
        raise Forbidden(f"the next approval must come from the role {steps[len(held)].value}")


async def policies(session: AsyncSession) -> list[Policy]:
    """The policy of every type of content; one approver and 30 days where none was set."""
    rows = await session.execute(_POLICIES)
    days = {row.type: Policy(type=row.type, steps=row.steps, expires_after_days=row.expires_after.days) for row in rows}
    return [days.get(kind.value) or Policy(type=kind) for kind in ContentType]


async def policy_of(session: AsyncSession, kind: ContentType) -> Policy:
    """The policy of one type of content."""
    return next(one for one in await policies(session) if one.type is kind)


async def set_policy(session: AsyncSession, caller: User, policy: Policy) -> None:
    """Put a policy in place of the one before; what is approved is judged by it from now on."""
    values = {
        "organization": caller.organization_id,
        "type": policy.type.value,
        "steps": [step.value for step in policy.steps],
        "expires_after": timedelta(days=policy.expires_after_days),
    }
    await session.execute(_SET_POLICY, values)
    await audit.append(session, caller, "approval_policy.changed", None, policy.model_dump(mode="json"))
