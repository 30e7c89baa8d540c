"""The routes of invitations."""

from uuid import UUID

from fastapi import APIRouter, Response

from api.auth.caller import Caller, Session
from api.auth.rules import Permission, require
from api.doors import OpenDoors
from api.idempotency import SealedOnce, created
from api.invitations import service
from api.invitations.schemas import AcceptRequest, InvitationCreatedResponse, InvitationResponse, InviteRequest
from api.openapi import problems
from api.users.schemas import UserResponse

router = APIRouter(prefix="/invitations", tags=["invitations"])


@router.post(
    "",
    status_code=201,
    response_model=InvitationCreatedResponse,
    responses=problems(400, 401, 403, 409, 413, 422),
)
async def invite(
    doors: OpenDoors, session: Session, caller: Caller, request: InviteRequest, once: SealedOnce
) -> Response:
    """Invite somebody. The answer shows the link, and nothing else ever does: hand it over yourself."""
    require(caller, Permission.MANAGE_USERS)

    async def make() -> Response:
        row, token = await service.invite(session, caller, request)
        shown = InvitationResponse.model_validate(row).model_dump()
        return created(InvitationCreatedResponse(**shown, token=token, link=service.link(doors, token)))

    return await once(make)


@router.get("", responses=problems(401, 403))
async def index(session: Session, caller: Caller) -> list[InvitationResponse]:
    """The newest 500 invitations, those that are over too."""
    require(caller, Permission.MANAGE_USERS)
    return [InvitationResponse.model_validate(row) for row in await service.index(session, caller)]


@router.post("/accept", status_code=201, responses=problems(400, 401, 409, 413, 422))
async def accept(doors: OpenDoors, request: AcceptRequest) -> UserResponse:
    """Become a user by a link. The link is good once."""
    return UserResponse.model_validate(await service.accept(doors, request))


@router.delete("/{id}", status_code=204, responses=problems(400, 401, 403, 404, 409))
async def revoke(session: Session, caller: Caller, id: UUID) -> None:  # noqa: A002 - the path's own name
    """Revoke an invitation that nobody has accepted; its link is over."""
    require(caller, Permission.MANAGE_USERS)
    await service.revoke(session, caller, id)
