"""Publishing at a time: what is due gets its publish command, once, however many workers look.

A claim, the command in the outbox and the audit entry are one transaction; the clock is PostgreSQL's. The command names
the time that it was issued for, and the worker that carries it out refuses it where the piece has another by then.
"""

from datetime import UTC, datetime
from typing import Final

import asyncpg
import msgspec

from api.worker import outbox
from api.worker.confinement import confine
from wire.commands import PUBLISH_CONTENT, Command, PublishContent
from wire.ids import new_id

_CLAIM: Final = "SELECT content_id, organization_id FROM claim_due_content()"
_PIECE: Final = """
SELECT scheduled_at, scheduled_by, content_sha256(type, title, body, platforms) AS sha256 FROM content WHERE id = $1
"""


async def issue_next(pool: asyncpg.Pool) -> bool:
    """Issue the publish command of one piece that is due; False where none is."""
    async with pool.acquire(timeout=5) as connection, connection.transaction():
        due = await connection.fetchrow(_CLAIM)
        if due is None:
            return False
        content_id, organization_id = due
        await confine(connection, organization_id)
        piece = await connection.fetchrow(_PIECE, content_id)
        at, actor_id, sha256 = piece["scheduled_at"], piece["scheduled_by"], piece["sha256"]
        payload = PublishContent(content_id=content_id, sha256=sha256, actor_id=actor_id, scheduled_at=at)
        command = Command(
            id=new_id(),
            type=PUBLISH_CONTENT,
            organization_id=organization_id,
            key=str(content_id),
            issued_at=datetime.now(UTC),
            payload=msgspec.Raw(msgspec.json.encode(payload)),
        )
        await outbox.issue(connection, command)
        details = {"sha256": sha256, "scheduled_at": at.isoformat()}
        await outbox.audit(connection, organization_id, actor_id, "content.publish_requested", content_id, details)
    return True
