"""The route of the audit trail."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import text

from api.auth.caller import Caller, Session
from api.auth.rules import Permission, require
from api.openapi import problems

router = APIRouter(tags=["audit"])
_PAGE = text("""
    SELECT hash, CAST(entry AS jsonb) AS entry FROM audit_entries
    WHERE organization_id = :organization AND sequence < :before ORDER BY sequence DESC LIMIT :limit
""")
NEWEST = 2**63 - 1


class AuditQuery(BaseModel):
    """Which part of the trail."""

    model_config = ConfigDict(extra="forbid")

    before: int = Field(NEWEST, ge=1, le=NEWEST, description="the `next_before` of the page before")
    limit: int = Field(50, ge=1, le=500)


class AuditEntry(BaseModel):
    """What was done; `entry` is what `hash` is the SHA-256 of."""

    hash: str
    entry: dict[str, Any]


class AuditResponse(BaseModel):
    """A part of the trail, the newest first."""

    items: list[AuditEntry]
    next_before: int | None = Field(description="null on the last page")


@router.get("/audit", responses=problems(400, 401, 403))
async def index(session: Session, caller: Caller, query: Annotated[AuditQuery, Query()]) -> AuditResponse:
    """What was done in the organization, the newest first."""
    require(caller, Permission.READ_AUDIT)
    values = {"organization": caller.organization_id, "before": query.before, "limit": query.limit + 1}
    rows = list(await session.execute(_PAGE, values))
    items = [AuditEntry(hash=row.hash, entry=row.entry) for row in rows[: query.limit]]
    return AuditResponse(items=items, next_before=items[-1].entry["sequence"] if len(rows) > len(items) else None)
