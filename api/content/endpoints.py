"""The routes of content."""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response

from api.auth.caller import Caller, Session, Signed
from api.auth.rules import Permission, require
from api.auth.service import signed_in
from api.content import bulk, live, service, stats
from api.content.schemas import (
    ContentBulkRequest,
    ContentCreateRequest,
    ContentListQuery,
    ContentListResponse,
    ContentResponse,
    ContentUpdateRequest,
    ImportedResponse,
)
from api.doors import OpenDoors
from api.openapi import RATE_LIMIT_HEADERS, problems

router = APIRouter(prefix="/content", tags=["content"])
CREATED: dict[int | str, dict[str, Any]] = {201: {"headers": RATE_LIMIT_HEADERS}}


@router.post("", status_code=201, responses={**CREATED, **problems(400, 401, 403, 413, 422, 429)})
async def create(
    doors: OpenDoors, session: Session, caller: Caller, request: ContentCreateRequest, response: Response
) -> ContentResponse:
    """Create new content, a draft. At most 100 an hour for each user."""
    require(caller, Permission.CREATE_CONTENT)
    response.headers.update(await doors.creations.spend(caller.id))
    return ContentResponse.model_validate(await service.create(session, caller, request))


@router.get("", responses=problems(400, 401))
async def index(session: Session, caller: Caller, query: Annotated[ContentListQuery, Query()]) -> ContentListResponse:
    """List the organization's content, the newest first."""
    pieces, total = await service.page(session, caller, query)
    items = [ContentResponse.model_validate(piece) for piece in pieces]
    return ContentListResponse(items=items, page=query.page, limit=query.limit, total=total)


@router.post("/bulk", responses=problems(400, 401, 403, 413, 422))
async def import_bulk(session: Session, caller: Caller, request: ContentBulkRequest) -> list[ImportedResponse]:
    """Import up to 1000 pieces that exist elsewhere; the same again creates nothing. Does not count as creations."""
    require(caller, Permission.IMPORT_CONTENT)
    return await bulk.import_pieces(session, caller, request.pieces)


@router.get("/{id}", responses=problems(400, 401, 404))
async def show(session: Session, caller: Caller, id: UUID) -> ContentResponse:  # noqa: A002 - the path's own name
    """One piece."""
    return ContentResponse.model_validate(await service.find(session, caller, id))


@router.put("/{id}", responses=problems(400, 401, 403, 404, 409, 413))
async def update(
    session: Session,
    caller: Caller,
    id: UUID,  # noqa: A002 - the path's own name
    request: ContentUpdateRequest,
) -> ContentResponse:
    """Update content: its owner may, and editors and administrators. What is not named stays as it is."""
    return ContentResponse.model_validate(await service.update(session, caller, id, request))


@router.get("/{id}/stats", responses=problems(400, 401, 404))
async def show_stats(doors: OpenDoors, asking: Signed, id: UUID) -> stats.StatsResponse:  # noqa: A002 - the path's own name
    """A piece's live numbers: totals, readers, platforms, the last 60 minutes, the platforms' own totals."""
    async with doors.database.transaction(asking.organization_id) as session:
        piece = await service.find(session, await signed_in(session, asking), id)
    now = datetime.now(UTC)
    numbers = await live.read(doors.redis, doors.clickhouse, piece.organization_id, piece.id, now)
    return stats.shape(piece.id, numbers, now)
