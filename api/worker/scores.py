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
WITH piece AS (SELECT id, COALESCE(scored_revision, 0) <= $4 AS newer FROM content WHERE id = $1 FOR NO KEY UPDATE),
kept AS (UPDATE content SET quality_score = $2, score_parts = $3::jsonb, scored_revision = $4
         FROM piece WHERE content.id = piece.id AND newer)
SELECT newer FROM piece
"""


async def score(connection: asyncpg.Connection, command: Command) -> None:
    """Keep the score, unless a later revision has been scored already.

    Raises Poison for a score out of range, or of no piece.
    """
    found = _payload.decode(command.payload)
    if not 0 <= found.score <= MOST:
        raise Poison("score_out_of_range", f"{found.score} is not from 0 to {MOST}")
    if command.organization_id is None:
        raise Poison("no_organization", "a score belongs to an organization")
    await confine(connection, command.organization_id)
    parts = msgspec.json.encode(found.parts).decode()
    newer = await connection.fetchval(_SCORE, found.content_id, found.score, parts, found.revision)
    if newer is None:
        raise Poison("unknown_content", "there is no content with this id in the organization")
    if not newer:
        _log.info("score not kept: it is an older revision's", content_id=str(found.content_id))
