"""The outbox and the audit trail, from the inside of the worker: written in the transaction of the deed itself."""

import json
from collections.abc import Mapping
from typing import Final
from uuid import UUID

import asyncpg
import msgspec

from wire.commands import Command, shard
from wire.events import ContentEvent, encode
from wire.topics import COMMANDS_EXCHANGE, EVENTS_EXCHANGE

_AUDIT: Final = "SELECT append_audit($1, $2, $3, $4, $5::jsonb)"
_APPEND: Final = """
INSERT INTO outbox (message_id, organization_id, exchange, routing_key, key, type, body)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""


async def tell(connection: asyncpg.Connection, event: ContentEvent) -> None:
    """Add an event; it is relayed once the transaction has committed."""
    key = str(event.content_id)
    row = (event.id, event.organization_id, EVENTS_EXCHANGE, event.type, key, event.type, encode(event))
    await connection.execute(_APPEND, *row)


async def issue(connection: asyncpg.Connection, command: Command) -> None:
    """Add a command of an organization; it goes to the shard of its key once the transaction has committed."""
    lane = f"shard.{shard(command.key)}"
    body = msgspec.json.encode(command)
    row = (command.id, command.organization_id, COMMANDS_EXCHANGE, lane, command.key, command.type, body)
    await connection.execute(_APPEND, *row)


async def audit(
    connection: asyncpg.Connection,
    organization_id: UUID,
    actor_id: UUID | None,
    action: str,
    subject_id: UUID | None,
    details: Mapping[str, object],
) -> None:
    """Add an entry to the trail of the organization that the transaction is confined to."""
    await connection.execute(_AUDIT, organization_id, actor_id, action, subject_id, json.dumps(details))
