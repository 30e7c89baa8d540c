"""Write keys: make, list, revoke."""

import hashlib
import secrets
from collections.abc import Callable
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from api import audit
from api.errors import NotFound
from api.users.models import User
from api.write_keys.models import WriteKey
from api.write_keys.schemas import WriteKeyCreateRequest
from wire.ids import new_id

PREFIX = "twk_"


async def create(
    session: AsyncSession,
    caller: User,
    request: WriteKeyCreateRequest,
    random: Callable[[int], str] = secrets.token_urlsafe,
) -> tuple[WriteKey, str]:
    """A new key of the caller's organization: the row, and the key itself, which is kept nowhere."""
    key = PREFIX + random(32)
    row = WriteKey(
        id=new_id(),
        organization_id=caller.organization_id,
        name=request.name,
        key_hash=hashlib.sha256(key.encode("ascii")).digest(),
        rights=sorted(right.value for right in request.rights),
    )
    session.add(row)
    await session.flush()
    await audit.append(session, caller, "write_key.made", row.id, {"name": row.name, "rights": row.rights})
    return row, key


async def index(session: AsyncSession, caller: User) -> list[WriteKey]:
    """All keys of the caller's organization, revoked ones too, the oldest first."""
    mine = select(WriteKey).where(WriteKey.organization_id == caller.organization_id)
    return list(await session.scalars(mine.order_by(WriteKey.created_at, WriteKey.id)))


async def revoke(session: AsyncSession, caller: User, key_id: UUID) -> None:
    """End a key; again changes nothing. Raises NotFound."""
    mine = WriteKey.organization_id == caller.organization_id
    row = await session.scalar(select(WriteKey).where(WriteKey.id == key_id, mine).with_for_update())
    if row is None:
        raise NotFound("there is no write key with this id")
    if row.revoked_at is None:
        row.revoked_at = func.now()
        await audit.append(session, caller, "write_key.revoked", key_id, {})
