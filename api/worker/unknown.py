"""Figures of a piece that there is not: kept as a dead command of its organization, one of a type for each piece.

A PostgreSQL that was restored may be behind the ledger, and then they come again and again. Figures are absolute: one
command holds the newest of all. It is replayed once the piece is there.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar
from uuid import UUID, uuid5

import asyncpg
import msgspec
import structlog

from api.worker.aside import of_command, set_aside
from wire.commands import Command
from wire.errors import Poison

T = TypeVar("T")
REASON: Final = "unknown_content"
DETAIL: Final = "there is no content with this id in the organization"
_log = structlog.stdlib.get_logger("api")
_command = msgspec.json.Decoder(Command)

_KEPT: Final = """
SELECT id, body FROM commands_aside
WHERE organization_id = $1 AND key = $2 AND type = $3 AND reason = $4 AND due_at IS NULL LIMIT 1 FOR UPDATE
"""
_RENEW: Final = "UPDATE commands_aside SET body = $2 WHERE id = $1"


async def keep(
    connection: asyncpg.Connection,
    command: Command,
    organization_id: UUID,
    unknown: Mapping[UUID, Sequence[T]],
    read: Callable[[Command], Sequence[T]],
    newest: Callable[[Sequence[T]], Sequence[T]],
) -> None:
    """Keep a command's updates of unknown pieces of one organization, to which the transaction is confined.

    Raises Poison("unknown_content") for a command that is an organization's own: it is kept as it is.
    """
    if not unknown:
        return
    if command.organization_id is not None:
        raise Poison(REASON, DETAIL)
    _log.error("figures of unknown content are dead", count=len(unknown), first=str(min(unknown)))
    for content_id, updates in unknown.items():
        key = str(content_id)
        kept = await connection.fetchrow(_KEPT, organization_id, key, command.type, REASON)
        both = newest([*(read(_command.decode(kept["body"])) if kept else ()), *updates])
        one = msgspec.structs.replace(
            command,
            id=kept["id"] if kept else uuid5(command.id, key),
            organization_id=organization_id,
            key=key,
            payload=msgspec.Raw(msgspec.json.encode({"updates": both})),
        )
        body = msgspec.json.encode(one)
        if kept:
            await connection.execute(_RENEW, kept["id"], body)
        else:
            letter = of_command(one, body, attempts=1, wait=None, reason=REASON, detail=DETAIL)
            await set_aside(connection, letter)
