"""Import: pieces that exist elsewhere already, each taken once by its name there."""

import json
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from api import audit, outbox
from api.content import revisions
from api.content.models import Content
from api.content.schemas import ImportedPiece, ImportedResponse
from api.content.service import event_of
from api.users.models import User
from wire.ids import new_id

_INSERT = text("""
    INSERT INTO content (id, organization_id, creator_id, type, title, body, platforms, status, published_at,
                         origin, source_ref)
    SELECT piece.id, :organization_id, :creator_id, type, title, body, platforms, status, published_at,
           'imported', source_ref
    FROM jsonb_to_recordset(CAST(:pieces AS jsonb)) AS piece(
        id uuid, type content_type, title text, body text, platforms text[], status content_status,
        published_at timestamptz, source_ref text)
    ORDER BY source_ref, piece.id
    ON CONFLICT (organization_id, source_ref) DO NOTHING
    RETURNING id
""")


async def import_pieces(session: AsyncSession, caller: User, pieces: Sequence[ImportedPiece]) -> list[ImportedResponse]:
    """Take what is not here yet, a `content.created` each, one audit entry for all; answers in the order asked.

    The rows go in by order of name, so that two imports at once wait for each other and do not lock each other up.
    """
    rows = [{"id": str(new_id()), **piece.model_dump(mode="json")} for piece in pieces]
    values = {"organization_id": caller.organization_id, "creator_id": caller.id, "pieces": json.dumps(rows)}
    inserted = await session.scalars(_INSERT, values)
    created = set(inserted)
    known = await _by_source_ref(session, caller.organization_id, pieces)
    made = [piece for piece in known.values() if piece.id in created]
    await revisions.record(session, [piece.id for piece in made], caller.id)
    if made:
        await audit.append(session, caller, "content.imported", None, {"ids": sorted(str(piece.id) for piece in made)})
    await outbox.append(session, [event_of(piece, "content.created", caller.id, piece.created_at) for piece in made])
    return [_answer(known[piece.source_ref], created) for piece in pieces]


async def _by_source_ref(
    session: AsyncSession, organization_id: UUID, pieces: Sequence[ImportedPiece]
) -> dict[str, Content]:
    names = {piece.source_ref for piece in pieces}
    found = await session.scalars(
        select(Content).where(Content.organization_id == organization_id, Content.source_ref.in_(names))
    )
    return {piece.source_ref: piece for piece in found if piece.source_ref is not None}


def _answer(piece: Content, created: set[UUID]) -> ImportedResponse:
    made_here = piece.id in created
    created.discard(piece.id)
    return ImportedResponse(source_ref=piece.source_ref or "", id=piece.id, created=made_here)
