"""The routes of commands that wait or are dead."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from api.auth.caller import Caller, Session
from api.auth.rules import Permission, require
from api.commands import service
from api.commands.schemas import CommandResponse, CommandsQuery, CommandsResponse
from api.openapi import problems

router = APIRouter(prefix="/commands", tags=["commands"])


@router.get("", responses=problems(400, 401, 403))
async def index(session: Session, caller: Caller, query: Annotated[CommandsQuery, Query()]) -> CommandsResponse:
    """The organization's commands that wait or are dead, the newest first."""
    require(caller, Permission.MANAGE_COMMANDS)
    return await service.page(session, caller, query)


@router.post("/{id}/replay", responses=problems(400, 401, 403, 404))
async def replay(session: Session, caller: Caller, id: UUID) -> CommandResponse:  # noqa: A002 - the path's own name
    """Try a command again now. Where an earlier one of its key waits, it comes after that."""
    require(caller, Permission.MANAGE_COMMANDS)
    return await service.replay(session, caller, id)


@router.delete("/{id}", status_code=204, responses=problems(400, 401, 403, 404))
async def discard(session: Session, caller: Caller, id: UUID) -> None:  # noqa: A002 - the path's own name
    """Throw a command away, waiting or dead; it is never carried out."""
    require(caller, Permission.MANAGE_COMMANDS)
    await service.discard(session, caller, id)
