"""The routes of users."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from api.auth.caller import Caller, Person, Session
from api.openapi import problems
from api.users import service
from api.users.schemas import MeUpdateRequest, UserListQuery, UserListResponse, UserResponse, UserUpdateRequest

router = APIRouter(tags=["users"])


@router.get("/me", responses=problems(401))
async def who_am_i(caller: Caller) -> UserResponse:
    """The user of the access token."""
    return UserResponse.model_validate(caller)


@router.patch("/me", responses=problems(400, 401, 403, 413))
async def update_me(session: Session, person: Person, request: MeUpdateRequest) -> UserResponse:
    """Change your profile."""
    return UserResponse.model_validate(await service.update_me(session, person, request.profile))


@router.get("/users", responses=problems(400, 401))
async def index(session: Session, caller: Caller, query: Annotated[UserListQuery, Query()]) -> UserListResponse:
    """The organization's users, the oldest first."""
    users, total = await service.page(session, caller, query)
    items = [UserResponse.model_validate(user) for user in users]
    return UserListResponse(items=items, page=query.page, limit=query.limit, total=total)


@router.get("/users/{id}", responses=problems(400, 401, 404))
async def show(session: Session, caller: Caller, id: UUID) -> UserResponse:  # noqa: A002 - the path's own name
    """One user."""
    return UserResponse.model_validate(await service.find(session, caller, id))


@router.patch("/users/{id}", responses=problems(400, 401, 403, 404, 409, 413))
async def update(
    session: Session,
    caller: Caller,
    id: UUID,  # noqa: A002 - the path's own name
    request: UserUpdateRequest,
) -> UserResponse:
    """Change somebody's role, status or profile. Whoever is no longer active is out at once."""
    return UserResponse.model_validate(await service.update(session, caller, id, request))
