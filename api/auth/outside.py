"""Signing in somebody for whom an identity provider vouches. Nobody is created: a user must be there already."""

from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from api import audit
from api.auth.oidc import Identity
from api.auth.origin import Origin
from api.auth.schemas import OidcFinishRequest
from api.auth.sign_in import admit
from api.doors import Doors
from api.errors import SecondFactorRequired, Unauthenticated
from api.sessions.schemas import TokenResponse
from api.users.models import Role, User, UserStatus

NOBODY: Final = "nobody who may sign in so has this identity: ask an administrator to invite the address first"

_LINKED = text("SELECT user_id FROM identities WHERE issuer = :issuer AND subject = :subject")
_BY_EMAIL = text("SELECT id FROM users WHERE email = :email")
_LINK = text("""
    INSERT INTO identities (issuer, subject, organization_id, user_id) VALUES (:issuer, :subject, :organization, :user)
""")


async def sign_in(doors: Doors, request: OidcFinishRequest, origin: Origin) -> TokenResponse:
    """A session for whom the provider vouches. Raises Unauthenticated, SecondFactorRequired, TooMany, Unavailable.

    Where the second factor is missing, the flow holds on, so that it can be finished with the code.
    """
    organization_id, flow = doors.oidc.organization_id, request.flow.get_secret_value()
    async with doors.throttle.attempt(origin.address):
        identity = await doors.oidc.finish(flow, request.state, request.code.get_secret_value())
    second = request.second_factor_code.get_secret_value() if request.second_factor_code else None
    async with doors.throttle.attempt(origin.address, identity.email or identity.subject):
        try:
            async with doors.database.transaction(organization_id) as session:
                user = await _user_of(session, identity)
                tokens = await admit(session, doors, user.id, "oidc", second, origin)
        except SecondFactorRequired:
            await doors.oidc.hold(flow, identity)
            raise
        except IntegrityError as error:
            raise Unauthenticated(NOBODY) from error
    await doors.throttle.finished(origin.address)
    return tokens


async def _user_of(session: AsyncSession, identity: Identity) -> User:
    """The user whom an identity is linked to; the first time, the one with its verified address."""
    who = {"issuer": identity.issuer, "subject": identity.subject}
    linked: UUID | None = await session.scalar(_LINKED, who)
    found = linked or (await session.scalar(_BY_EMAIL, {"email": identity.email}) if identity.email else None)
    user = await session.get(User, found) if found else None
    if user is None or user.status is not UserStatus.ACTIVE or user.role is Role.SUPER_ADMIN:
        raise Unauthenticated(NOBODY)
    if linked is None:
        await session.execute(_LINK, {**who, "organization": user.organization_id, "user": user.id})
        await audit.append(session, user, "identity.linked", user.id, who)
    return user
