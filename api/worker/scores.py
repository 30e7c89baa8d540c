"""`content.score`: what a processor thinks of one revision of a piece."""

from typing import Final

import asyncpg
import msgspec
import structlog

from api.worker.confinement import confine
from wire.commands import Command, ScoreContent
from wire.errors import Poison

MOST: Final = 10.0
_log = structlog.stdlib.get_logger("api")
_payload = msgspec.json.Decoder(ScoreContent)

_SCORE: Final = """
UPDATE content SET quality_score = $2, score_parts = $3::jsonb, scored_revision = $4
WHERE id = $1 AND COALESCE(scored_revision, 0) <= $4
"""


async def score(connection: asyncpg.Connection, command: Command) -> None:
    """Keep the score, unless a later revision has been scored already. Raises Poison for a score out of range."""
    found = _payload.decode(command.payload)
    if not 0 <= found.score <= MOST:
        raise Poison("score_out_of_range", f"{found.score} is not from 0 to {MOST}")
    if command.organization_id is None:
        raise Poison("no_organization", "a score belongs to an organization")
    await confine(connection, command.organization_id)
    parts = msgspec.json.encode(found.parts).decode()
    done = await connection.execute(_SCORE, found.content_id, found.score, parts, found.revision)
    if done == "UPDATE 0":
        _log.info("score not kept: an older revision's, or of no content", content_id=str(found.content_id))
