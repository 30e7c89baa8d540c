"""Passwords: prove, change, reset."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from api import audit
from api.auth.origin import Origin
from api.auth.secrets import Held, hash_of, new_secret, read_secret
from api.auth.service import signed_in
from api.auth.sign_in import candidate_of, check_password
from api.auth.tokens import Claims
from api.doors import Doors
from api.errors import Unauthenticated
from api.sessions import service as sessions
from api.users.models import User, UserStatus

PREFIX = "tws_"
WRONG = "this is not your current password"
OVER = "this link does not hold: it was used, or is too old; ask for another one"

_SET = text("UPDATE users SET password_hash = :hash WHERE id = :user")
_LINK = text("""
    INSERT INTO password_resets (organization_id, user_id, token_hash, made_by, expires_at)
    VALUES (:organization, :user, :hash, :by, now() + interval '1 day') RETURNING expires_at
""")
_END_LINKS = text("UPDATE password_resets SET used_at = now() WHERE user_id = :user AND used_at IS NULL")
_OPEN = text("""
    SELECT user_id FROM password_resets
    WHERE token_hash = :hash AND used_at IS NULL AND expires_at > now() FOR UPDATE
""")


@asynccontextmanager
async def proven(
    doors: Doors, token: Claims, origin: Origin, password: SecretStr
) -> AsyncIterator[tuple[AsyncSession, User]]:
    """A transaction of somebody who has just given their password. Raises Unauthenticated, TooMany.

    The check is slow, so no connection is held during it.
    """
    async with doors.database.transaction(token.organization_id) as session:
        email = (await signed_in(session, token)).email
    async with doors.throttle.attempt(origin.address, email):
        candidate = await candidate_of(doors.database, email)
        await check_password(doors.passwords, candidate, password.get_secret_value(), WRONG)
        async with doors.database.transaction(token.organization_id) as session:
            yield session, await signed_in(session, token)


async def change(doors: Doors, token: Claims, origin: Origin, current: SecretStr, new: SecretStr) -> None:
    """A new password for the old one; every other session ends. Raises Unauthenticated, Invalid, TooMany."""
    async with proven(doors, token, origin, current) as (_, user):
        email = user.email
    stored = await doors.passwords.hashed(new.get_secret_value(), email)
    async with doors.database.transaction(token.organization_id) as session:
        user = await signed_in(session, token)
        await _put(session, user, stored, "password.changed")
        await sessions.end(session, user, "password_changed", but=token.session_id)


async def _put(session: AsyncSession, user: User, stored: str, action: str) -> None:
    await session.execute(_SET, {"user": user.id, "hash": stored})
    await session.execute(_END_LINKS, {"user": user.id})
    await audit.append(session, user, action, user.id, {})


async def make_link(session: AsyncSession, caller: User, user: User) -> tuple[str, datetime]:
    """The token of a link that resets a password, and when it ends; links made before are over."""
    token = new_secret(PREFIX, user.organization_id)
    await session.execute(_END_LINKS, {"user": user.id})
    values = {"organization": user.organization_id, "user": user.id, "hash": hash_of(token), "by": caller.id}
    expires_at: datetime = (await session.execute(_LINK, values)).scalar_one()
    await audit.append(session, caller, "password.reset_link_made", user.id, {"expires_at": expires_at.isoformat()})
    return token, expires_at


async def reset(doors: Doors, token: SecretStr, new: SecretStr) -> None:
    """Set a new password by a link; every session ends. Raises Unauthenticated, Invalid for a weak one."""
    held = read_secret(PREFIX, token.get_secret_value())
    async with doors.database.transaction(held.organization_id) as session:
        email = (await _user_of(session, held)).email
    stored = await doors.passwords.hashed(new.get_secret_value(), email)
    async with doors.database.transaction(held.organization_id) as session:
        user = await _user_of(session, held)
        await _put(session, user, stored, "password.reset")
        await sessions.end(session, user, "password_reset")


async def _user_of(session: AsyncSession, held: Held) -> User:
    user_id: UUID | None = await session.scalar(_OPEN, {"hash": held.hash})
    user = await session.get(User, user_id) if user_id else None
    if user is None or user.status is not UserStatus.ACTIVE:
        raise Unauthenticated(OVER)
    return user
