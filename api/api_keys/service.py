"""API keys: make, list, revoke."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncSession

from api import audit
from api.api_keys.schemas import ApiKeyCreateRequest
from api.auth.rules import Permission, allowed, scope_of
from api.auth.secrets import hash_of, new_secret
from api.errors import Forbidden, LimitReached, NotFound
from api.users.models import User
from wire.ids import new_id

PREFIX = "twp_"

_CREATE = text("""
    INSERT INTO api_keys (id, organization_id, user_id, name, key_hash, scopes, expires_at)
    VALUES (:id, :organization, :user, :name, :hash, :scopes, now() + :good_for) RETURNING *
""")
_LOCK = text("SELECT true FROM users WHERE id = :user FOR NO KEY UPDATE")
_HELD = text("SELECT count(*) FROM api_keys WHERE user_id = :user AND revoked_at IS NULL AND expires_at > now()")
_LIST = text("SELECT * FROM api_keys WHERE user_id = :user ORDER BY created_at, id")
_FIND = text("SELECT revoked_at FROM api_keys WHERE id = :id AND user_id = :user FOR UPDATE")
_REVOKE = text("UPDATE api_keys SET revoked_at = now() WHERE id = :id")


async def create(
    session: AsyncSession, person: User, request: ApiKeyCreateRequest, most: int
) -> tuple[Row[tuple[object, ...]], str]:
    """A new key: the row, and the key itself.

    Raises Forbidden for a scope that its owner does not have, LimitReached where they have `most` keys in force.
    """
    mine = {scope_of(permission) for permission in Permission if allowed(person, permission)}
    if beyond := sorted(request.scopes - mine):
        raise Forbidden(f"the role {person.role.value} does not have {', '.join(beyond)}, so no key of it can")
    await session.execute(_LOCK, {"user": person.id})
    if await session.scalar(_HELD, {"user": person.id}) >= most:
        raise LimitReached(f"you have {most} API keys in force, which is the most: revoke one that you need no more")
    key = new_secret(PREFIX, person.organization_id)
    key_id = new_id()
    values = {"id": key_id, "organization": person.organization_id, "user": person.id, "hash": hash_of(key)}
    wanted = {"name": request.name, "scopes": sorted(request.scopes)}
    good_for = timedelta(days=request.expires_in_days)
    row = (await session.execute(_CREATE, {**values, **wanted, "good_for": good_for})).one()
    await audit.append(session, person, "api_key.made", key_id, wanted)
    return row, key


async def index(session: AsyncSession, person: User) -> list[Row[tuple[object, ...]]]:
    """One's own keys, those that are over too, the oldest first."""
    return list(await session.execute(_LIST, {"user": person.id}))


async def revoke(session: AsyncSession, person: User, key_id: UUID) -> None:
    """End a key of one's own; again changes nothing. Raises NotFound."""
    found = (await session.execute(_FIND, {"id": key_id, "user": person.id})).one_or_none()
    if found is None:
        raise NotFound("you have no API key with this id")
    if found.revoked_at is None:
        await session.execute(_REVOKE, {"id": key_id})
        await audit.append(session, person, "api_key.revoked", key_id, {})
