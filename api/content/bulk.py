"""Import: pieces that exist elsewhere already, each taken once by its name there."""

import json
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from api import outbox
from api.content.models import Content
from api.content.schemas import ImportedPiece, ImportedResponse
from api.content.service import event_of
from api.users.models import User
from wire.ids import new_id

_IMPORT = text("SELECT import_content(CAST(:pieces AS jsonb))")


async def import_pieces(session: AsyncSession, caller: User, pieces: Sequence[ImportedPiece]) -> list[ImportedResponse]:
    """Take what is not here yet, a `content.created` each, one audit entry for all; answers in the order asked.

    The session is one of `doors.imports`, in the caller's name: PostgreSQL lets nobody else bring pieces in.
    """
    rows = [{"id": str(new_id()), **piece.model_dump(mode="json")} for piece in pieces]
    created = set(await session.scalars(_IMPORT, {"pieces": json.dumps(rows)}))
    known = await _by_source_ref(session, caller.organization_id, pieces)
    made = [piece for piece in known.values() if piece.id in created]
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
