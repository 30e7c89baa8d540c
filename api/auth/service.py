"""Who is asking, as stored now: the user of a token, the owner of an API key, a super_admin in another organization."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Select, Text, cast, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from api import audit
from api.auth.rules import Permission, require
from api.auth.secrets import Held
from api.auth.tokens import Claims
from api.db import Database
from api.errors import NotFound, Unauthenticated
from api.users.models import User, UserStatus


@dataclass(frozen=True)
class Visit:
    """A super_admin in another organization; `visitor` says which both are."""

    organization_id: UUID
    visitor: User


Asking = Claims | Held | Visit
"""What a request proves: a token's claims, an API key that is still to be looked for, a visit that was checked."""

_IN_SESSION = "EXISTS (SELECT FROM sessions AS s WHERE s.id = :session AND s.user_id = users.id AND s.ended_at IS NULL)"
_KEY = text("""
    SELECT id, user_id, scopes, last_used_at IS NULL OR last_used_at < now() - interval '1 minute' AS stale
    FROM api_keys WHERE key_hash = :hash AND revoked_at IS NULL AND expires_at > now()
""")
_VISITED_BY = text("SELECT set_config('app.visitor_id', :id, true)")
_NAMED = text("SELECT set_config('app.user_id', :id, true)")
_KEY_USED = text("UPDATE api_keys SET last_used_at = now() WHERE id = :id")


async def signed_in(session: AsyncSession, asking: Asking) -> User:
    """The user as stored now, in whose name the transaction then writes; a visitor governs, but writes no text.

    Raises Unauthenticated where the user, the session or the key is no longer good.
    """
    if isinstance(asking, Visit):
        await session.execute(_VISITED_BY, {"id": str(asking.visitor.id)})
        return asking.visitor
    user = await (_of_key(session, asking) if isinstance(asking, Held) else _of_token(session, asking))
    if user is None or user.status is not UserStatus.ACTIVE:
        raise Unauthenticated(
            "this sign-in is over: the user, the session or the key is no longer active; sign in again"
        )
    return user


async def in_the_name_of(session: AsyncSession, user: User) -> None:
    """From here to its end, the transaction writes in the name of a user who was found signed in by another."""
    await session.execute(_NAMED, {"id": str(user.id)})


def _named(user_id: UUID) -> Select[tuple[User, str]]:
    return select(User, func.set_config("app.user_id", cast(User.id, Text), True)).where(User.id == user_id)


async def _of_token(session: AsyncSession, claims: Claims) -> User | None:
    asked = _named(claims.user_id)
    if claims.session_id is not None:
        asked = asked.where(text(_IN_SESSION).bindparams(session=claims.session_id))
    found: User | None = await session.scalar(asked)
    return found


async def _of_key(session: AsyncSession, key: Held) -> User | None:
    found = (await session.execute(_KEY, {"hash": key.hash})).one_or_none()
    if found is None:
        return None
    if found.stale:
        await session.execute(_KEY_USED, {"id": found.id})
    user: User | None = await session.scalar(_named(found.user_id))
    if user is not None:
        user.scopes = frozenset(found.scopes)
    return user


async def visit(database: Database, asking: Asking, organization_id: UUID, deed: str) -> Asking:
    """Enter another organization; both trails say so before anything is done. Raises Forbidden, NotFound."""
    async with database.transaction(asking.organization_id) as session:
        user = await signed_in(session, asking)
        require(user, Permission.CROSS_ORGANIZATIONS)
        home = user.organization_id
        if home == organization_id:
            return asking
        session.expunge(user)
        await audit.append(session, user, "organization.entered", organization_id, {"request": deed})
    user.visits_from, user.organization_id = home, organization_id
    async with database.transaction(organization_id) as session:
        if await session.scalar(text("SELECT true FROM organizations WHERE id = :id"), {"id": organization_id}) is None:
            raise NotFound("there is no organization with this id")
        details = {"request": deed, "from_organization_id": str(home)}
        await audit.append(session, user, "organization.entered_by_super_admin", user.id, details)
    return Visit(organization_id, user)
