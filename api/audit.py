"""The audit trail: what was done, by whom, to what; an entry is written in the transaction of the deed itself."""

import json
from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from api.users.models import User

_APPEND = text("SELECT append_audit(:organization, :actor, :action, :subject, CAST(:details AS jsonb))")


async def append(
    session: AsyncSession,
    caller: User,
    action: str,
    subject: UUID | None,
    details: Mapping[str, object],
    *,
    organization_id: UUID | None = None,
) -> None:
    """Add an entry to the trail of the caller's organization; until the commit, its next entry waits.

    `organization_id` names another one, which the transaction must be confined to.
    """
    await write(session, organization_id or caller.organization_id, caller.id, action, subject, details)


async def write(
    session: AsyncSession,
    organization_id: UUID,
    actor_id: UUID | None,
    action: str,
    subject: UUID | None,
    details: Mapping[str, object],
) -> None:
    """Add an entry to the trail of the transaction's organization; without an actor, it was Tallywire itself."""
    values = {"organization": organization_id, "actor": actor_id, "action": action, "subject": subject}
    await session.execute(_APPEND, {**values, "details": json.dumps(details)})
