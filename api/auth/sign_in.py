"""Signing in with a password, and with a code where the user has a second factor."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from api.auth.origin import Origin
from api.auth.passwords import Passwords
from api.auth.schemas import SignIn
from api.db import Database
from api.doors import Doors
from api.errors import Unauthenticated
from api.second_factors import service as second_factors
from api.sessions import service as sessions
from api.sessions.schemas import TokenResponse
from api.users.models import User, UserStatus

WRONG = "the email address or the password is not right"

_LOCK = text("SELECT true FROM users WHERE id = :user FOR NO KEY UPDATE")
_SIGN_IN_OF = text("SELECT * FROM sign_in_of(:email)")
_RENEW = text("UPDATE users SET password_hash = :hash WHERE id = :user")


@dataclass(frozen=True)
class Candidate:
    """Whom an address belongs to, in whichever organization."""

    user_id: UUID
    organization_id: UUID
    status: str
    password_hash: str


async def sign_in(doors: Doors, form: SignIn, origin: Origin) -> TokenResponse:
    """A session for the right password of an active user, and the right code where there is a second factor.

    Raises Unauthenticated, the same for every reason, SecondFactorRequired, TooMany, Unavailable.
    """
    email = form.username.strip().lower()
    async with doors.throttle.attempt(origin.address, email):
        candidate = await candidate_of(doors.database, email)
        password = form.password.get_secret_value()
        await check_password(doors.passwords, candidate, password, WRONG)
        if candidate is None or candidate.status != UserStatus.ACTIVE:
            raise Unauthenticated(WRONG)
        renewed = await doors.passwords.renewed(password, candidate.password_hash)
        code = form.code.get_secret_value() if form.code else None
        async with doors.database.transaction(candidate.organization_id) as session:
            await _hold(session, email, candidate)
            if renewed:
                await session.execute(_RENEW, {"user": candidate.user_id, "hash": renewed})
            return await admit(session, doors, candidate.user_id, "password", code, origin)


async def check_password(passwords: Passwords, candidate: Candidate | None, password: str, wrong: str) -> None:
    """Raise Unauthenticated where this is not the password. It is slow, so no connection is held during it."""
    if not await passwords.verify(password, candidate.password_hash if candidate else None):
        raise Unauthenticated(wrong)


async def _hold(session: AsyncSession, email: str, candidate: Candidate) -> None:
    """Let nobody change the password until the transaction ends. Raises Unauthenticated where somebody just has."""
    await session.execute(_LOCK, {"user": candidate.user_id})
    now = (await session.execute(_SIGN_IN_OF, {"email": email})).mappings().one_or_none()
    if now is None or now["password_hash"] != candidate.password_hash:
        raise Unauthenticated(WRONG)


async def admit(
    session: AsyncSession, doors: Doors, user_id: UUID, method: str, code: str | None, origin: Origin
) -> TokenResponse:
    """Begin a session, once the second factor is settled. Raises Unauthenticated, SecondFactorRequired."""
    user = await session.scalar(select(User).where(User.id == user_id))
    if user is None or user.status is not UserStatus.ACTIVE:
        raise Unauthenticated(WRONG)
    await second_factors.check(session, user, doors.vault, code)
    await session.execute(update(User).where(User.id == user.id).values(last_login=text("now()")))
    return await sessions.begin(session, user, doors.tokens, method, origin)


async def candidate_of(database: Database, email: str) -> Candidate | None:
    """Whom an address belongs to; None where it is nobody's."""
    if "\0" in email or not email.isprintable():
        return None
    async with database.transaction(None) as session:
        found = await session.execute(_SIGN_IN_OF, {"email": email})
        row = found.mappings().one_or_none()
    return Candidate(**row) if row else None
