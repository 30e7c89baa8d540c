"""The routes of second factors."""

from uuid import UUID

from fastapi import APIRouter

from api.auth.caller import Caller, Person, Session, Token
from api.auth.origin import CalledFrom
from api.auth.rules import Permission, require
from api.doors import OpenDoors
from api.openapi import problems
from api.passwords.service import proven
from api.second_factors import service
from api.second_factors.schemas import (
    ConfirmRequest,
    EnrolRequest,
    EnrolResponse,
    RecoveryCodesResponse,
    RemoveRequest,
)
from api.sessions import service as sessions
from api.users.service import find_governed

router = APIRouter(tags=["second factors"])


@router.post("/me/second-factor", status_code=201, responses=problems(400, 401, 403, 409, 413, 422, 429))
async def enrol(doors: OpenDoors, token: Token, origin: CalledFrom, request: EnrolRequest) -> EnrolResponse:
    """Get a secret for an authenticator. It is in force once a code of it was confirmed."""
    async with proven(doors, token, origin, request.password) as (session, user):
        return await service.enrol(session, user, doors.vault)


@router.post("/me/second-factor/confirm", responses=problems(400, 401, 403, 409, 413, 422, 429))
async def confirm(
    doors: OpenDoors, session: Session, person: Person, origin: CalledFrom, request: ConfirmRequest
) -> RecoveryCodesResponse:
    """Put the second factor in force. The answer shows ten recovery codes, and nothing else ever does."""
    async with doors.throttle.attempt(origin.address, person.email):
        codes = await service.confirm(session, person, doors.vault, request.code.get_secret_value())
    return RecoveryCodesResponse(recovery_codes=codes)


@router.post("/me/second-factor/remove", status_code=204, responses=problems(400, 401, 403, 404, 409, 413, 422, 429))
async def remove(doors: OpenDoors, token: Token, origin: CalledFrom, request: RemoveRequest) -> None:
    """Take your second factor away; it needs your password and a code."""
    async with proven(doors, token, origin, request.password) as (session, user):
        await service.check(session, user, doors.vault, request.code.get_secret_value())
        await service.remove(session, user, user)


@router.delete("/users/{id}/second-factor", status_code=204, responses=problems(400, 401, 403, 404))
async def remove_for(session: Session, caller: Caller, id: UUID) -> None:  # noqa: A002 - the path's own name
    """Take away the second factor of somebody who has lost it; all their sessions end."""
    require(caller, Permission.MANAGE_USERS)
    user = await find_governed(session, caller, id)
    await service.remove(session, user, caller)
    await sessions.end(session, user, "second_factor_removed", by=caller)
