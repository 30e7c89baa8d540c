"""The routes of approval policies."""

from fastapi import APIRouter

from api.approvals import service
from api.approvals.schemas import Policy
from api.auth.caller import Caller, Session
from api.auth.rules import Permission, require
from api.openapi import problems

router = APIRouter(prefix="/approval-policies", tags=["approvals"])


@router.get("", responses=problems(401, 403))
async def index(session: Session, caller: Caller) -> list[Policy]:
    """The policy of every type of content."""
    require(caller, Permission.MANAGE_POLICIES)
    return await service.policies(session)


@router.put("", responses=problems(400, 401, 403, 413))
async def change(session: Session, caller: Caller, policy: Policy) -> Policy:
    """Set the policy of one type of content; it holds for what is approved already too."""
    require(caller, Permission.MANAGE_POLICIES)
    await service.set_policy(session, caller, policy)
    return policy
