"""The routes of passwords."""

from uuid import UUID

from fastapi import APIRouter, Response

from api.auth.caller import Caller, Session, Token
from api.auth.origin import CalledFrom
from api.auth.rules import Permission, require
from api.doors import OpenDoors
from api.idempotency import SealedOnce, created
from api.openapi import problems
from api.passwords import service
from api.passwords.schemas import ChangeRequest, ResetLinkResponse, ResetRequest
from api.users.service import find_governed

router = APIRouter(tags=["passwords"])


@router.put("/me/password", status_code=204, responses=problems(400, 401, 403, 413, 422, 429))
async def change(doors: OpenDoors, token: Token, origin: CalledFrom, request: ChangeRequest) -> None:
    """Change your password; every other session of yours ends."""
    await service.change(doors, token, origin, request.current_password, request.new_password)


@router.post(
    "/users/{id}/password-reset",
    status_code=201,
    response_model=ResetLinkResponse,
    responses=problems(400, 401, 403, 404, 409, 422),
)
async def make_link(
    doors: OpenDoors,
    session: Session,
    caller: Caller,
    id: UUID,  # noqa: A002 - the path's own name
    once: SealedOnce,
) -> Response:
    """Make a link by which somebody sets a new password: good once, for a day. Hand it over yourself."""
    require(caller, Permission.MANAGE_USERS)
    user = await find_governed(session, caller, id)

    async def make() -> Response:
        token, expires_at = await service.make_link(session, caller, user)
        link = f"{doors.web_url}/reset-password#{token}"
        return created(ResetLinkResponse(user_id=user.id, expires_at=expires_at, token=token, link=link))

    return await once(make)


@router.post("/auth/password-reset", status_code=204, responses=problems(400, 401, 413, 422))
async def reset(doors: OpenDoors, request: ResetRequest) -> None:
    """Set a new password by a link; every session of the user ends."""
    await service.reset(doors, request.token, request.new_password)
