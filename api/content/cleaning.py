"""Bodies that were stored before the present cleaner: made in the table what readers get, as revisions of their own.

A piece that is published stays the revision that was approved, and is shown cleaned: the audit trail says so.
"""

from collections import Counter
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import Row, select, text
from sqlalchemy.ext.asyncio import AsyncSession

import wire.postgres
from api import audit, outbox
from api.content.models import Content, ContentStatus
from api.content.rich_text import CLEANER, clean
from api.content.service import event_of, revise
from api.db import Database, confine
from wire.settings import Settings

_log = structlog.stdlib.get_logger("api")
BATCH: Final = 1000
CHANGED: Final = 50
"""A transaction ends with so many changed pieces: an organization's audit trail waits for it."""
_BEGIN: Final = text("INSERT INTO cleanings (cleaner) VALUES (:cleaner) ON CONFLICT DO NOTHING")
_REACHED: Final = text("SELECT reached FROM cleanings WHERE cleaner = :cleaner AND finished_at IS NULL FOR UPDATE")
_ALL_ORGANIZATIONS: Final = text("SELECT set_config('app.claiming', 'on', true)")
_NEXT: Final = text("""
    SELECT id, organization_id, CASE WHEN body ~ '[<&\\r]' THEN body ELSE '' END AS body
    FROM content WHERE id > :reached ORDER BY id LIMIT :most
""")
_GO_ON: Final = text("UPDATE cleanings SET reached = :reached WHERE cleaner = :cleaner")
_FINISH: Final = text("UPDATE cleanings SET finished_at = clock_timestamp() WHERE cleaner = :cleaner")
_AUTHOR: Final = text("""
    SELECT set_config('app.user_id', author_id::text, true)
    FROM content_revisions WHERE content_id = :id AND revision = :revision
    UNION ALL SELECT set_config('app.user_id', CAST(:creator AS text), true) LIMIT 1
""")


async def clean_stored(settings: Settings, most: int = BATCH) -> Counter[str]:
    """Compare all that this cleaner has not compared yet, as the owner; how many were `cleaned`, `shown_cleaned`.

    At most `most` pieces are one transaction: killed, it goes on there the next time. Two at once take turns.
    """
    database = Database(wire.postgres.engine(settings.postgres_url, pool_size=1))
    done: Counter[str] = Counter()
    try:
        while (more := await clean_some(database, most)) is not None:
            done += more
    finally:
        await database.close()
    if done:
        _log.warning("bodies differed from what readers get", **done)
    return done


async def clean_some(database: Database, most: int) -> Counter[str] | None:
    """The next pieces, in a transaction; None where all were compared."""
    async with database.transaction(None) as session:
        await session.execute(_BEGIN, {"cleaner": CLEANER})
        reached = await session.scalar(_REACHED, {"cleaner": CLEANER})
        if reached is None:
            return None
        await session.execute(_ALL_ORGANIZATIONS)
        rows = list(await session.execute(_NEXT, {"reached": reached, "most": most}))
        if not rows:
            await session.execute(_FINISH, {"cleaner": CLEANER})
            return None
        done: Counter[str] = Counter()
        for row in rows:
            if clean(row.body) != row.body:
                done[await _make_true(session, row)] += 1
            if done.total() == CHANGED:
                break
        await session.execute(_GO_ON, {"cleaner": CLEANER, "reached": row.id})
    return done


async def _make_true(session: AsyncSession, row: Row[Any]) -> str:
    """Give a piece its cleaned revision, or say in the trail that its approved one is shown cleaned."""
    await confine(session, row.organization_id)
    piece = (await session.scalars(select(Content).where(Content.id == row.id).with_for_update(key_share=True))).one()
    was = piece.status
    details: dict[str, object] = {"revision": piece.revision, "status": was.value}
    if was is ContentStatus.PUBLISHED:
        return await _tell(session, piece, "shown_cleaned", details)
    values = {"id": piece.id, "revision": piece.revision, "creator": str(piece.creator_id)}
    author_id = UUID(await session.scalar(_AUTHOR, values))
    piece.body = clean(piece.body)
    await revise(session, piece, author_id)
    if was is ContentStatus.ARCHIVED:
        piece.status = was
        await session.flush()
    await outbox.append(session, [event_of(piece, "content.updated", author_id, piece.updated_at)])
    return await _tell(session, piece, "cleaned", {**details, "revision": piece.revision})


async def _tell(session: AsyncSession, piece: Content, what: str, details: dict[str, object]) -> str:
    await audit.write(session, piece.organization_id, None, f"content.{what}", piece.id, details)
    return what
