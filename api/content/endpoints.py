"""The routes of content."""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from api.auth.caller import Caller, Session, Signed, caller_of
from api.auth.reader import reader_of
from api.auth.rules import Permission, require
from api.auth.service import in_the_name_of, signed_in
from api.content import bulk, catalogue, live, readers, revisions, service, stats
from api.content.conditions import Tags, unless_known, unless_stale
from api.content.filters import ContentListQuery, asked_of, parameters
from api.content.representation import answer
from api.content.schemas import (
    ContentBulkRequest,
    ContentCreateRequest,
    ContentListResponse,
    ContentResponse,
    ContentUpdateRequest,
    ImportedResponse,
)
from api.doors import OpenDoors
from api.idempotency import Once
from api.openapi import RATE_LIMIT_HEADERS, problems

router = APIRouter(prefix="/content", tags=["content"])
ETAG: dict[str, Any] = {"ETag": {"description": "for If-Match and If-None-Match", "schema": {"type": "string"}}}
CREATED: dict[int | str, dict[str, Any]] = {201: {"headers": {**RATE_LIMIT_HEADERS, **ETAG}}}
SHOWN: dict[int | str, dict[str, Any]] = {200: {"headers": ETAG}}
NOT_MODIFIED: dict[int | str, dict[str, Any]] = {304: {"description": "it is what If-None-Match says", "headers": ETAG}}


@router.post(
    "",
    status_code=201,
    response_model=ContentResponse,
    responses={**CREATED, **problems(400, 401, 403, 409, 413, 422, 429)},
)
async def create(
    doors: OpenDoors, session: Session, caller: Caller, request: ContentCreateRequest, once: Once
) -> Response:
    """Create new content, a draft. At most 100 an hour for each user."""
    require(caller, Permission.CREATE_CONTENT)

    async def make() -> Response:
        standing = await doors.creations.spend(caller.id)
        made = answer(await service.create(session, caller, request), 201)
        made.headers.update(standing)
        return made

    return await once(make)


@router.get(
    "",
    response_model=ContentListResponse,
    responses=problems(400, 401),
    openapi_extra={"parameters": parameters()},
)
async def index(doors: OpenDoors, asking: Signed, query: Annotated[ContentListQuery, Depends(asked_of)]) -> Response:
    """List and search the organization's content, the newest first or as asked."""
    found = await catalogue.read(doors.reads, await reader_of(doors, asking), query)
    return Response(found, media_type="application/json")


@router.post("/bulk", responses=problems(400, 401, 403, 413, 422))
async def import_bulk(
    doors: OpenDoors, asking: Signed, http: Request, request: ContentBulkRequest
) -> list[ImportedResponse]:
    """Import up to 1000 pieces that exist elsewhere; the same again creates nothing. Does not count as creations."""
    async with doors.database.transaction(asking.organization_id) as session:
        caller = await caller_of(session, asking, http)
    require(caller, Permission.IMPORT_CONTENT)
    async with doors.imports.transaction(caller.organization_id) as session:
        await in_the_name_of(session, caller)
        return await bulk.import_pieces(session, caller, request.pieces)


@router.get("/{id}", response_model=ContentResponse, responses={**SHOWN, **NOT_MODIFIED, **problems(400, 401, 404)})
async def show(
    doors: OpenDoors,
    asking: Signed,
    id: UUID,  # noqa: A002 - the path's own name
    if_none_match: Tags = None,
) -> Response:
    """One piece."""
    piece = await service.read(doors.reads, await reader_of(doors, asking), id)
    return unless_known(answer(piece), if_none_match)


@router.put(
    "/{id}",
    response_model=ContentResponse,
    responses={**SHOWN, **problems(400, 401, 403, 404, 409, 412, 413)},
    dependencies=[Depends(unless_stale)],
)
async def update(
    session: Session,
    caller: Caller,
    id: UUID,  # noqa: A002 - the path's own name
    request: ContentUpdateRequest,
) -> Response:
    """Update content: its owner may, and editors and administrators. What is not named stays as it is."""
    return answer(await service.update(session, caller, id, request))


@router.post(
    "/{id}/revisions/{number}/restore",
    response_model=ContentResponse,
    responses={**SHOWN, **problems(400, 401, 403, 404, 409, 412)},
    dependencies=[Depends(unless_stale)],
)
async def restore_revision(
    session: Session,
    caller: Caller,
    id: UUID,  # noqa: A002 - the path's own name
    number: Annotated[int, Path(ge=1, le=2**31 - 1)],
) -> Response:
    """Make the text of an old revision the newest one: an update like any other, so it needs approval anew."""
    piece = await service.find(session, caller, id)
    old = await revisions.find(session, piece.id, number)
    request = ContentUpdateRequest(type=old.type, title=old.title, body=old.body, platforms=old.platforms)
    return answer(await service.update(session, caller, id, request, restored=number))


@router.get("/{id}/stats", responses=problems(400, 401, 404))
async def show_stats(doors: OpenDoors, asking: Signed, id: UUID) -> stats.StatsResponse:  # noqa: A002 - the path's own name
    """A piece's live numbers: totals, readers, platforms, the last 60 minutes, the platforms' own totals."""
    async with doors.database.transaction(asking.organization_id) as session:
        piece = await service.find(session, await signed_in(session, asking), id)
    now = datetime.now(UTC)
    numbers = await live.read(doors.redis, doors.clickhouse, piece.organization_id, piece.id, now)
    return stats.shape(piece.id, numbers, now)


@router.get("/{id}/readers", responses=problems(400, 401, 404))
async def show_readers(
    doors: OpenDoors,
    asking: Signed,
    id: UUID,  # noqa: A002 - the path's own name
    query: Annotated[readers.ReadersQuery, Query()],
) -> readers.ReadersResponse:
    """How many distinct readers a piece had on each day (UTC): exact up to two million events a day, above within
    0.1 % (one standard error)."""
    async with doors.database.transaction(asking.organization_id) as session:
        piece = await service.find(session, await signed_in(session, asking), id)
    return await readers.read(doors.clickhouse, piece.organization_id, piece.id, query, datetime.now(UTC).date())
