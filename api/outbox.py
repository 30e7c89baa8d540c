"""The outbox: what others must hear of, written in the transaction of the change itself."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from wire.commands import Command, shard
from wire.events import ContentEvent, encode
from wire.topics import COMMANDS_EXCHANGE, EVENTS_EXCHANGE

_APPEND = text("""
    INSERT INTO outbox (message_id, organization_id, exchange, routing_key, key, type, body)
    VALUES (:message_id, :organization_id, :exchange, :routing_key, :key, :type, :body)
""")


async def append(session: AsyncSession, events: Sequence[ContentEvent]) -> None:
    """Add events, in this order; they are relayed once the transaction has committed."""
    rows = [
        {
            "message_id": event.id,
            "organization_id": event.organization_id,
            "exchange": EVENTS_EXCHANGE,
            "routing_key": event.type,
            "type": event.type,
            "key": str(event.content_id),
            "body": encode(event),
        }
        for event in events
    ]
    if rows:
        await session.execute(_APPEND, rows)


async def issue(session: AsyncSession, command: Command) -> None:
    """Add a command of an organization; it goes to the shard of its key once the transaction has committed."""
    row = {
        "message_id": command.id,
        "organization_id": command.organization_id,
        "exchange": COMMANDS_EXCHANGE,
        "routing_key": f"shard.{shard(command.key)}",
        "type": command.type,
        "key": command.key,
        "body": msgspec.json.encode(command),
    }
    await session.execute(_APPEND, row)
