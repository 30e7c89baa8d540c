"""Invitations: make, list, revoke, accept."""

import json
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Row
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from api import audit
from api.auth.rules import outranks
from api.auth.secrets import Held, hash_of, new_secret, read_secret
from api.doors import Doors
from api.errors import Conflict, Forbidden, NotFound, Unauthenticated
from api.invitations.schemas import AcceptRequest, InviteRequest
from api.users.models import Role, User
from wire.ids import new_id

PREFIX = "twi_"
OVER = "this invitation does not hold: it was accepted or revoked, or is too old; ask for another one"

_INVITE = text("""
    INSERT INTO invitations (id, organization_id, email, role, token_hash, invited_by, expires_at)
    VALUES (:id, :organization, :email, :role, :hash, :by, now() + interval '7 days') RETURNING *
""")
_MEMBER = text("SELECT EXISTS (SELECT FROM users WHERE organization_id = :organization AND email = :email)")
_REPLACE = text("""
    UPDATE invitations SET revoked_at = now()
    WHERE organization_id = :organization AND email = :email AND accepted_at IS NULL AND revoked_at IS NULL
""")
_LIST = text("""
    SELECT * FROM invitations WHERE organization_id = :organization ORDER BY created_at DESC, id DESC LIMIT 500
""")
_REVOKE = text("""
    UPDATE invitations SET revoked_at = now() WHERE id = :id AND organization_id = :organization
    AND accepted_at IS NULL AND revoked_at IS NULL RETURNING true
""")
_FIND = text("SELECT accepted_at FROM invitations WHERE id = :id AND organization_id = :organization")
_OPEN = text("""
    SELECT id, email, role FROM invitations WHERE token_hash = :hash
    AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at > now() FOR UPDATE
""")
_ACCEPT = text("UPDATE invitations SET accepted_at = now() WHERE id = :id")
_JOIN = text("""
    INSERT INTO users (id, email, organization_id, role, profile, password_hash)
    VALUES (:id, :email, :organization, :role, CAST(:profile AS jsonb), :password_hash)
""")


async def invite(session: AsyncSession, caller: User, request: InviteRequest) -> tuple[Row[tuple[object, ...]], str]:
    """A new invitation and its token; one that the address had before is revoked. Raises Forbidden, Conflict."""
    if not outranks(caller, request.role):
        raise Forbidden(f"the role {caller.role.value} may not make anybody a {request.role.value}")
    whom = {"organization": caller.organization_id, "email": request.email}
    if await session.scalar(_MEMBER, whom):
        raise Conflict("somebody with this address is a member already")
    await session.execute(_REPLACE, whom)
    return await write(session, caller, caller.organization_id, request.email, request.role)


async def write(
    session: AsyncSession, caller: User, organization_id: UUID, email: str, role: Role
) -> tuple[Row[tuple[object, ...]], str]:
    """An invitation into an organization, which the transaction must be confined to, and its token."""
    token, invitation_id = new_secret(PREFIX, organization_id), new_id()
    values = {"id": invitation_id, "organization": organization_id, "email": email, "role": role.value, "by": caller.id}
    row = (await session.execute(_INVITE, {**values, "hash": hash_of(token)})).one()
    details = {"email": email, "role": role.value}
    await audit.append(session, caller, "invitation.made", invitation_id, details, organization_id=organization_id)
    return row, token


async def index(session: AsyncSession, caller: User) -> list[Row[tuple[object, ...]]]:
    """The newest 500 invitations, those that are over too."""
    return list(await session.execute(_LIST, {"organization": caller.organization_id}))


async def revoke(session: AsyncSession, caller: User, invitation_id: UUID) -> None:
    """End an invitation; again changes nothing. Raises NotFound, Conflict for one that was accepted."""
    which = {"id": invitation_id, "organization": caller.organization_id}
    found = (await session.execute(_FIND, which)).one_or_none()
    if found is None:
        raise NotFound("there is no invitation with this id")
    if found.accepted_at is not None:
        raise Conflict("this invitation was accepted: change the user's status instead")
    if await session.scalar(_REVOKE, which):
        await audit.append(session, caller, "invitation.revoked", invitation_id, {})


async def accept(doors: Doors, request: AcceptRequest) -> User:
    """The new user of an invitation. Raises Unauthenticated, Invalid for a weak password, Conflict.

    Hashing is slow, so no connection is held during it.
    """
    held = read_secret(PREFIX, request.token.get_secret_value())
    async with doors.database.transaction(held.organization_id) as session:
        email = (await _opened(session, held)).email
    stored = await doors.passwords.hashed(request.password.get_secret_value(), email)
    try:
        async with doors.database.transaction(held.organization_id) as session:
            return await _join(session, held, stored, request)
    except IntegrityError as error:
        raise Conflict("this address is in use already: sign in, or ask to be invited by another address") from error


async def _join(session: AsyncSession, held: Held, stored: str, request: AcceptRequest) -> User:
    found = await _opened(session, held)
    user_id = new_id()
    values = {"id": user_id, "email": found.email, "organization": held.organization_id, "role": found.role}
    await session.execute(_JOIN, {**values, "profile": json.dumps(request.profile), "password_hash": stored})
    await session.execute(_ACCEPT, {"id": found.id})
    user = await session.get_one(User, user_id)
    await audit.append(session, user, "invitation.accepted", found.id, {"user_id": str(user_id), "role": found.role})
    return user


async def _opened(session: AsyncSession, held: Held) -> Row[tuple[UUID, str, str]]:
    found = (await session.execute(_OPEN, {"hash": held.hash})).one_or_none()
    if found is None:
        raise Unauthenticated(OVER)
    return found


def link(doors: Doors, token: str) -> str:
    """Where a person accepts; what stands after the # is sent to no server."""
    return f"{doors.web_url}/accept-invitation#{token}"
