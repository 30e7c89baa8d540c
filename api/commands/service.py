"""Commands that wait or are dead: found, replayed, discarded."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from api import audit
from api.commands.schemas import CommandResponse, CommandsQuery, CommandsResponse
from api.errors import NotFound
from api.users.models import User

_LIST = text("""
    SELECT *, CASE WHEN due_at IS NULL THEN 'dead' ELSE 'waiting' END AS state FROM commands_aside
    WHERE organization_id = :organization AND position < :before
      AND (CAST(:state AS text) IS NULL OR (due_at IS NULL) = (:state = 'dead'))
    ORDER BY position DESC LIMIT :limit
""")
_REPLAY = text("""
    UPDATE commands_aside SET due_at = clock_timestamp(), attempts = 0
    WHERE id = :id AND organization_id = :organization
    RETURNING *, 'waiting' AS state
""")
_DISCARD = text("""
    WITH discarded AS (DELETE FROM commands_aside WHERE id = :id AND organization_id = :organization RETURNING *),
    noted AS (INSERT INTO processed_commands (command_id) SELECT id FROM discarded ON CONFLICT DO NOTHING)
    SELECT *, 'dead' AS state FROM discarded
""")


async def page(session: AsyncSession, caller: User, query: CommandsQuery) -> CommandsResponse:
    """A part of the organization's list, the newest first."""
    values = {"organization": caller.organization_id, **query.model_dump(), "limit": query.limit + 1}
    rows = list(await session.execute(_LIST, values))
    items = [CommandResponse.model_validate(row) for row in rows[: query.limit]]
    return CommandsResponse(items=items, next_before=items[-1].position if len(rows) > len(items) else None)


async def replay(session: AsyncSession, caller: User, id_: UUID) -> CommandResponse:
    """Have a command tried again now, as if it had never failed. Raises NotFound."""
    row = (await session.execute(_REPLAY, {"id": id_, "organization": caller.organization_id})).one_or_none()
    return await _noted(session, caller, row, "command.replayed")


async def discard(session: AsyncSession, caller: User, id_: UUID) -> CommandResponse:
    """Throw a command away: should it ever be delivered again, it is not carried out. Raises NotFound."""
    row = (await session.execute(_DISCARD, {"id": id_, "organization": caller.organization_id})).one_or_none()
    return await _noted(session, caller, row, "command.discarded")


async def _noted(session: AsyncSession, caller: User, row: object | None, action: str) -> CommandResponse:
    if row is None:
        raise NotFound("there is no command with this id that waits or is dead")
    command = CommandResponse.model_validate(row)
    await audit.append(session, caller, action, command.id, {"type": command.type, "key": command.key})
    return command
