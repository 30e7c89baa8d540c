"""The outbox: what others must hear of, written in the transaction of the change itself."""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from wire.events import ContentEvent, encode
from wire.topics import EVENTS_EXCHANGE

_APPEND = text("""
    INSERT INTO outbox (message_id, organization_id, exchange, routing_key, key, type, body)
    VALUES (:message_id, :organization_id, :exchange, :type, :key, :type, :body)
""")


async def append(session: AsyncSession, events: Sequence[ContentEvent]) -> None:
    """Add events, in this order; they are relayed once the transaction has committed."""
    rows = [
        {
            "message_id": event.id,
            "organization_id": event.organization_id,
            "exchange": EVENTS_EXCHANGE,
            "type": event.type,
            "key": str(event.content_id),
            "body": encode(event),
        }
        for event in events
    ]
    if rows:
        await session.execute(_APPEND, rows)
