"""Which pieces are counted again."""

from collections.abc import AsyncIterator
from typing import Final
from uuid import UUID

from stack import figures
from stack.figures import Piece, Stores
from stack.recount.selection import Selection
from stack.recount.sql import statement

NOWHERE: Final = UUID(int=0)


async def pieces(stores: Stores, selection: Selection) -> AsyncIterator[list[Piece]]:
    """Every selected piece that any store tells of, some hundred at a time."""
    after: Piece = (NOWHERE, NOWHERE)
    while rows := await _page(stores, selection, after):
        yield rows
        after = rows[-1]
    async for some in unknown(stores, selection):
        yield some


async def unknown(stores: Stores, selection: Selection) -> AsyncIterator[list[Piece]]:
    """Those of which PostgreSQL alone tells; none where only a time is selected."""
    if selection.contents or selection.is_everything:
        async for held in figures.postgres_pieces(stores):
            chosen = [piece for piece in held if not selection.contents or piece[1] in selection.contents]
            if some := await figures.unknown_to_clickhouse(stores, chosen):
                yield some


async def _page(stores: Stores, selection: Selection, after: Piece) -> list[Piece]:
    asked = {"organization_id": after[0], "content_id": after[1], "limit": figures.PIECES_AT_ONCE}
    answer = await stores.clickhouse.query(statement("pieces"), parameters=asked | selection.parameters)
    return [(UUID(str(organization)), UUID(str(content))) for organization, content in answer.result_rows]
