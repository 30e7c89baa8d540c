"""Reminding: an assignment whose time has come is told of, once, however many workers look.

The claim, the event in the outbox and the audit entry are one transaction; the clock is PostgreSQL's. Of a piece that
is published or archived by then nobody is reminded.
"""

from typing import Final

import asyncpg

from api.worker import outbox
from api.worker.confinement import confine
from wire.events import ContentEvent, ContentState
from wire.ids import new_id

REMINDED: Final = "content.reminder_due"
DONE: Final = frozenset({"published", "archived"})
_TAKE: Final = "SELECT * FROM take_due_reminders(1)"
_PIECE: Final = "SELECT type, title, body, platforms, status, revision FROM content WHERE id = $1"


async def remind_next(pool: asyncpg.Pool) -> bool:
    """Tell of one assignment that is due; False where none is."""
    async with pool.acquire(timeout=5) as connection, connection.transaction():
        due = await connection.fetchrow(_TAKE)
        if due is None:
            return False
        await confine(connection, due["organization_id"])
        piece = dict(await connection.fetchrow(_PIECE, due["content_id"]))
        revision = piece.pop("revision")
        if piece["status"] in DONE:
            return True
        event = ContentEvent(
            id=new_id(),
            type=REMINDED,
            organization_id=due["organization_id"],
            content_id=due["content_id"],
            revision=revision,
            actor_id=due["assigned_by"],
            at=due["reminded_at"],
            content=ContentState(**{**piece, "platforms": tuple(piece["platforms"])}),
            assignee_id=due["user_id"],
            due_at=due["due_at"],
        )
        await outbox.tell(connection, event)
        details = {"user_id": str(due["user_id"]), "remind_at": due["remind_at"].isoformat()}
        await outbox.audit(connection, event.organization_id, None, REMINDED, event.content_id, details)
    return True
