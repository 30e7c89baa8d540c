"""Sign in, and who am I."""

from typing import Annotated

from fastapi import APIRouter, Form

from api.auth import service
from api.auth.caller import Caller
from api.auth.schemas import SignIn, TokenResponse
from api.doors import OpenDoors
from api.openapi import problems
from api.users.schemas import UserResponse

router = APIRouter(tags=["auth"])


@router.post("/auth/token", responses=problems(400, 401, 413, 422))
async def sign_in(doors: OpenDoors, form: Annotated[SignIn, Form()]) -> TokenResponse:
    """Sign in with email address and password (OAuth2's password flow) for an access token of ten minutes."""
    password = form.password.get_secret_value()
    token = await service.sign_in(doors.database, doors.passwords, doors.tokens, form.username, password)
    return TokenResponse(access_token=token)


@router.get("/me", responses=problems(401))
async def who_am_i(caller: Caller) -> UserResponse:
    """The user of the access token."""
    return UserResponse.model_validate(caller)
