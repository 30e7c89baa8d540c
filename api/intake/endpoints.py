"""The routes of what came in. Only admins: samples of refused input may hold what readers sent."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from api.auth.caller import Signed
from api.auth.rules import Permission, require
from api.auth.service import signed_in
from api.doors import OpenDoors
from api.intake import service
from api.intake.schemas import (
    AccountsQuery,
    AccountsResponse,
    ReasonResponse,
    ReasonsQuery,
    RejectionsQuery,
    RejectionsResponse,
)
from api.openapi import problems

router = APIRouter(tags=["intake"])


async def organization_of(doors: OpenDoors, claims: Signed) -> UUID:
    """The organization whose intake the caller may read; no transaction is held while ClickHouse is asked."""
    async with doors.database.transaction(claims.organization_id) as session:
        caller = await signed_in(session, claims)
        require(caller, Permission.READ_INTAKE)
        return caller.organization_id


Organization = Annotated[UUID, Depends(organization_of)]


@router.get("/accounts", responses=problems(400, 401, 403))
async def accounts(
    doors: OpenDoors, organization_id: Organization, query: Annotated[AccountsQuery, Query()]
) -> AccountsResponse:
    """What became of the events that came in, by five minutes of their arrival; at most 31 days of them."""
    return await service.accounts(doors.clickhouse, organization_id, query, datetime.now(UTC))


@router.get("/rejections", responses=problems(400, 401, 403))
async def rejections(
    doors: OpenDoors, organization_id: Organization, query: Annotated[RejectionsQuery, Query()]
) -> RejectionsResponse:
    """What was refused and why, the newest first."""
    return await service.rejections(doors.clickhouse, organization_id, query)


@router.get("/rejections/reasons", responses=problems(400, 401, 403))
async def reasons(
    doors: OpenDoors, organization_id: Organization, query: Annotated[ReasonsQuery, Query()]
) -> list[ReasonResponse]:
    """How much was refused for each reason."""
    return await service.reasons(doors.clickhouse, organization_id, query)
