"""`content.publish`: the text that was approved, and no other. A refusal is final: written down, not retried."""

from typing import Any, Final

import asyncpg
import msgspec
import structlog

from api.worker import outbox
from api.worker.confinement import confine
from wire.commands import Command, PublishContent
from wire.errors import Poison
from wire.events import ContentEvent, ContentState
from wire.ids import new_id

_log = structlog.stdlib.get_logger("api")
_payload = msgspec.json.Decoder(PublishContent)

_LOCK: Final = "SELECT * FROM content WHERE id = $1 FOR NO KEY UPDATE"
_REFUSAL: Final = """
SELECT CASE WHEN status = 'published' THEN 'published_already'
            WHEN status <> 'approved' THEN 'not_approved'
            WHEN content_sha256(type, title, body, platforms) <> $2 THEN 'hash_mismatch'
            WHEN scheduled_at IS DISTINCT FROM COALESCE($3, scheduled_at) THEN 'rescheduled'
            ELSE publish_refusal(content) END
FROM content WHERE id = $1
"""
_PUBLISH: Final = """
UPDATE content SET status = 'published', publish_problem = NULL, published_at = clock_timestamp(),
                   updated_at = clock_timestamp()
WHERE id = $1 RETURNING *
"""
UNTOLD: Final = frozenset({"rescheduled", "published_already"})
"""Refusals that say nothing of the piece as it stands: the audit trail has them, `publish_problem` does not."""
_REFUSE: Final = "UPDATE content SET publish_problem = $2 WHERE id = $1"


async def publish(connection: asyncpg.Connection, command: Command) -> None:
    """Publish, or write down on the piece and in the audit trail why not. Raises Poison without an organization."""
    asked = _payload.decode(command.payload)
    if command.organization_id is None:
        raise Poison("no_organization", "a piece belongs to an organization")
    await confine(connection, command.organization_id)
    if await connection.fetchrow(_LOCK, asked.content_id) is None:
        raise Poison("unknown_content", "there is no content with this id in the organization")
    refusal = await connection.fetchval(_REFUSAL, asked.content_id, asked.sha256, asked.scheduled_at)
    details = {"sha256": asked.sha256, **({"refusal": refusal} if refusal else {})}
    if refusal:
        _log.warning("publication refused", content_id=str(asked.content_id), refusal=refusal)
        if refusal not in UNTOLD:
            await connection.execute(_REFUSE, asked.content_id, refusal)
    else:
        piece = await connection.fetchrow(_PUBLISH, asked.content_id)
        await _tell(connection, dict(piece), asked)
    done = "content.publish_refused" if refusal else "content.published"
    await outbox.audit(connection, command.organization_id, asked.actor_id, done, asked.content_id, details)


async def _tell(connection: asyncpg.Connection, piece: dict[str, Any], asked: PublishContent) -> None:
    state = ContentState(
        type=piece["type"],
        title=piece["title"],
        body=piece["body"],
        platforms=tuple(piece["platforms"]),
        status=piece["status"],
    )
    event = ContentEvent(
        id=new_id(),
        type="content.published",
        organization_id=piece["organization_id"],
        content_id=piece["id"],
        revision=piece["revision"],
        actor_id=asked.actor_id,
        at=piece["updated_at"],
        content=state,
    )
    await outbox.tell(connection, event)
