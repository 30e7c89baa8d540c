"""PostgreSQL: each piece's totals by the ledger, as commands in versions that win over every older generation."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import msgspec
from aiokafka import AIOKafkaProducer

from stack import figures
from stack.figures import Figures, Piece, Stores
from stack.recount.selection import Selection
from stack.recount.sql import statement
from wire import ids
from wire.commands import (
    MOST_PAYLOAD_BYTES,
    RECORD_ENGAGEMENT,
    Command,
    Engagement,
    RecordEngagement,
    figures_version,
    payloads,
)
from wire.events import encode
from wire.topics import FINDINGS

NOWHERE: Final = UUID(int=0)


async def recount(stores: Stores, producer: AIOKafkaProducer, selection: Selection, generation: int) -> int:
    """Send what the ledger says of the selected pieces; answers how many there are. PostgreSQL has it when the bridges
    and the worker have carried it there."""
    sent = 0
    async for page in pieces(stores, selection):
        found, _ = await figures.totals(stores, "ledger_totals", page)
        for updates, payload in payloads(engagements(page, found, generation), _encoded):
            if len(payload) <= MOST_PAYLOAD_BYTES:  # or streams have set it aside
                await _send(producer, updates[0], payload)
        sent += len(page)
    return sent


async def _send(producer: AIOKafkaProducer, first: Engagement, payload: bytes) -> None:
    command = Command(
        id=ids.new_id(),
        type=RECORD_ENGAGEMENT,
        organization_id=None,
        key=str(first.content_id),
        issued_at=datetime.now(UTC),
        payload=msgspec.Raw(payload),
    )
    await producer.send_and_wait(FINDINGS.name, encode(command), command.key.encode())


def _encoded(updates: Sequence[Engagement]) -> bytes:
    return encode(RecordEngagement(updates=tuple(updates)))


async def pieces(stores: Stores, selection: Selection) -> AsyncIterator[list[Piece]]:
    """Every selected piece that the ledger, the aggregates or (unless only a time is selected) PostgreSQL tell of."""
    after: Piece = (NOWHERE, NOWHERE)
    while rows := await _page(stores, selection, after):
        yield rows
        after = rows[-1]
    if selection.contents or selection.is_everything:
        async for held in figures.postgres_pieces(stores):
            chosen = [piece for piece in held if not selection.contents or piece[1] in selection.contents]
            if unknown := await figures.unknown_to_clickhouse(stores, chosen):
                yield unknown


async def _page(stores: Stores, selection: Selection, after: Piece) -> list[Piece]:
    asked = {"organization_id": after[0], "content_id": after[1], "limit": figures.PIECES_AT_ONCE}
    answer = await stores.clickhouse.query(statement("pieces"), parameters=asked | selection.parameters)
    return [(UUID(str(organization)), UUID(str(content))) for organization, content in answer.result_rows]


def engagements(pieces: Sequence[Piece], found: Figures, generation: int) -> tuple[Engagement, ...]:
    """Each piece's figures, nothing where there are none, in a version of this generation."""
    totals: dict[Piece, dict[str, dict[str, dict[str, int]]]] = {piece: {} for piece in pieces}
    events = dict.fromkeys(pieces, 0)
    for place, (count, robots, value) in found.items():
        of_kind = {"count": count, "robots": robots, "value": value}
        totals[place.counter.piece].setdefault(place.platform, {})[place.kind] = of_kind
        events[place.counter.piece] += count
    return tuple(
        Engagement(
            organization_id=organization,
            content_id=content,
            version=figures_version(generation, events[organization, content]),
            totals=totals[organization, content],
        )
        for organization, content in pieces
    )
