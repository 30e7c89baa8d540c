"""Users: list, find, change."""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncSession

from api import audit
from api.auth.rules import Permission, outranks, require
from api.errors import Conflict, Forbidden, NotFound
from api.sessions import service as sessions
from api.users.models import Role, User, UserStatus
from api.users.schemas import UserListQuery, UserUpdateRequest

_LOCK_ORGANIZATION = text("SELECT id FROM organizations WHERE id = :id FOR NO KEY UPDATE")


async def page(session: AsyncSession, caller: User, query: UserListQuery) -> tuple[list[User], int]:
    """One page of the organization's users, the oldest first, and how many match in all."""
    matching = select(User).where(User.organization_id == caller.organization_id)
    if query.role is not None:
        matching = matching.where(User.role == query.role)
    if query.status is not None:
        matching = matching.where(User.status == query.status)
    total = await session.scalar(matching.with_only_columns(func.count()))
    oldest_first = matching.order_by(User.created_at, User.id)
    users = await session.scalars(oldest_first.limit(query.limit).offset((query.page - 1) * query.limit))
    return list(users), total or 0


async def find(session: AsyncSession, caller: User, user_id: UUID) -> User:
    """A user of the caller's organization. Raises NotFound."""
    mine = User.organization_id == caller.organization_id
    user: User | None = await session.scalar(select(User).where(User.id == user_id, mine))
    if user is None:
        raise NotFound("there is no user with this id")
    return user


async def find_governed(session: AsyncSession, caller: User, user_id: UUID) -> User:
    """A user whom the caller may change, locked together with the organization's other users' roles.

    Raises NotFound, and Forbidden for one whose role is above the caller's.
    """
    await session.execute(_LOCK_ORGANIZATION, {"id": caller.organization_id})
    user = await find(session, caller, user_id)
    await session.refresh(user)
    if not outranks(caller, user.role):
        raise Forbidden(f"the role {caller.role.value} may not change a {user.role.value}")
    return user


async def update(session: AsyncSession, caller: User, user_id: UUID, request: UserUpdateRequest) -> User:
    """Change a user. Raises NotFound, Forbidden, Conflict where no administrator would be left."""
    require(caller, Permission.MANAGE_USERS)
    user = await find_governed(session, caller, user_id)
    changes = {name: value for name, value in request.changes().items() if getattr(user, name) != value}
    if "role" in changes and not outranks(caller, changes["role"]):
        raise Forbidden(f"the role {caller.role.value} may not make anybody a {changes['role'].value}")
    was = {name: getattr(user, name) for name in changes}
    if _administers(user) and {"role", "status"} & changes.keys():
        await _check_not_last(session, user)
    for name, value in changes.items():
        setattr(user, name, value)
    try:
        await session.flush()
    except ProgrammingError as error:
        raise Forbidden("you are no administrator any more") from error
    if changes.get("status", UserStatus.ACTIVE) is not UserStatus.ACTIVE:
        await sessions.end(session, user, user.status.value, by=caller)
    await _tell(session, caller, user, was)
    return user


def _administers(user: User) -> bool:
    return user.role is Role.ORG_ADMIN and user.status is UserStatus.ACTIVE


async def _check_not_last(session: AsyncSession, user: User) -> None:
    others = select(func.count()).where(
        User.organization_id == user.organization_id,
        User.id != user.id,
        User.role == Role.ORG_ADMIN,
        User.status == UserStatus.ACTIVE,
    )
    if not await session.scalar(others):
        raise Conflict("this is the last active org_admin: make another one first")


async def update_me(session: AsyncSession, caller: User, profile: Mapping[str, object]) -> User:
    """Put a profile in place of the one before."""
    was = {"profile": caller.profile} if caller.profile != profile else {}
    caller.profile = dict(profile)
    await session.flush()
    await _tell(session, caller, caller, was)
    return caller


async def _tell(session: AsyncSession, caller: User, user: User, was: Mapping[str, object]) -> None:
    """One entry for each thing that changed; of a profile only that it did, for it may be private."""
    for name, before in was.items():
        details = {} if name == "profile" else {"from": str(before), "to": str(getattr(user, name))}
        await audit.append(session, caller, f"user.{name}_changed", user.id, details)
