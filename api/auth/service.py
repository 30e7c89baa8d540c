"""Signing in, and who a token's user is now."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Text, cast, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from api.auth.passwords import Passwords
from api.auth.tokens import Claims, Tokens
from api.db import Database
from api.errors import Unauthenticated
from api.users.models import User, UserStatus


@dataclass(frozen=True)
class _Candidate:
    user_id: UUID
    organization_id: UUID
    status: str
    password_hash: str


async def sign_in(database: Database, passwords: Passwords, tokens: Tokens, email: str, password: str) -> str:
    """An access token for the right password of an active user.

    The check is slow, so no connection is held during it. Raises Unauthenticated, the same for every reason.
    """
    candidate = await _candidate(database, email.strip().lower())
    right = await passwords.verify(password, candidate.password_hash if candidate else None)
    if not right or candidate is None or candidate.status != UserStatus.ACTIVE:
        raise Unauthenticated("the email address or the password is not right")
    async with database.transaction(candidate.organization_id) as session:
        await session.execute(update(User).where(User.id == candidate.user_id).values(last_login=text("now()")))
    return tokens.issue(candidate.user_id, candidate.organization_id)


async def _candidate(database: Database, email: str) -> _Candidate | None:
    if "\0" in email or not email.isprintable():
        return None
    async with database.transaction(None) as session:
        found = await session.execute(text("SELECT * FROM sign_in_of(:email)"), {"email": email})
        row = found.mappings().one_or_none()
    return _Candidate(**row) if row else None


async def signed_in(session: AsyncSession, claims: Claims) -> User:
    """The user of a token, as stored now, in whose name the transaction then writes.

    Raises Unauthenticated where the user is gone or not active.
    """
    named = func.set_config("app.user_id", cast(User.id, Text), True)
    user: User | None = await session.scalar(select(User, named).where(User.id == claims.user_id))
    if user is None or user.status is not UserStatus.ACTIVE:
        raise Unauthenticated("the user of this access token is no longer active")
    return user
