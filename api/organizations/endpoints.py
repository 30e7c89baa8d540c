"""The routes of organizations."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from api.auth.caller import Caller, Session
from api.auth.rules import Permission, require
from api.doors import OpenDoors
from api.idempotency import SealedOnce, created
from api.invitations.service import link
from api.openapi import problems
from api.organizations import service
from api.organizations.schemas import (
    OrganizationCreatedResponse,
    OrganizationCreateRequest,
    OrganizationListQuery,
    OrganizationListResponse,
    OrganizationResponse,
    OrganizationUpdateRequest,
)

router = APIRouter(prefix="/organizations", tags=["organizations"])


@router.get("", responses=problems(400, 401, 403))
async def index(
    session: Session, caller: Caller, query: Annotated[OrganizationListQuery, Query()]
) -> OrganizationListResponse:
    """Every organization, for a super_admin, the oldest first."""
    require(caller, Permission.CROSS_ORGANIZATIONS)
    rows = await service.page(session, caller, query)
    items = [OrganizationResponse.model_validate(row) for row in rows]
    total = rows[0].total if rows else 0
    return OrganizationListResponse(items=items, page=query.page, limit=query.limit, total=total)


@router.post(
    "",
    status_code=201,
    response_model=OrganizationCreatedResponse,
    responses=problems(400, 401, 403, 409, 413, 422),
)
async def create(
    doors: OpenDoors, session: Session, caller: Caller, request: OrganizationCreateRequest, once: SealedOnce
) -> Response:
    """Create an organization, for a super_admin. The answer shows the link of its first administrator, once."""
    require(caller, Permission.CROSS_ORGANIZATIONS)

    async def make() -> Response:
        row, invitation_id, token = await service.create(session, caller, request)
        shown = OrganizationResponse.model_validate(row).model_dump()
        whose = {"invitation_id": invitation_id, "token": token, "link": link(doors, token)}
        return created(OrganizationCreatedResponse(**shown, **whose))

    return await once(make)


@router.get("/{id}", responses=problems(400, 401, 404))
async def show(session: Session, caller: Caller, id: UUID) -> OrganizationResponse:  # noqa: A002 - the path's own name
    """Your organization."""
    return OrganizationResponse.model_validate(await service.find(session, caller, id))


@router.patch("/{id}", responses=problems(400, 401, 403, 404, 413))
async def rename(
    session: Session,
    caller: Caller,
    id: UUID,  # noqa: A002 - the path's own name
    request: OrganizationUpdateRequest,
) -> OrganizationResponse:
    """Rename your organization."""
    require(caller, Permission.RENAME_ORGANIZATION)
    return OrganizationResponse.model_validate(await service.rename(session, caller, id, request.name))
