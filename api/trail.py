"""The routes of the audit trail."""

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import text

from api.auth.caller import Caller, Session
from api.auth.rules import Permission, require
from api.db import Database
from api.doors import OpenDoors
from api.openapi import problems

router = APIRouter(tags=["audit"])
_PAGE = text("""
    SELECT hash, CAST(entry AS jsonb) AS entry FROM audit_entries
    WHERE organization_id = :organization AND sequence < :before ORDER BY sequence DESC LIMIT :limit
""")
_HEAD = text("SELECT sequence, hash FROM audit_heads WHERE organization_id = :organization")
_NEXT = text("""
    SELECT sequence, hash, entry FROM audit_entries
    WHERE organization_id = :organization AND sequence > :after AND sequence <= :last ORDER BY sequence LIMIT 1000
""")
NEWEST = 2**63 - 1
NDJSON: Final = "application/x-ndjson"
EXPORT: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A line for the head, then one for each entry",
        "content": {NDJSON: {"schema": {"type": "string"}}},
    }
}


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


@router.get("/audit/export", response_class=StreamingResponse, responses={**EXPORT, **problems(400, 401, 403)})
async def export(doors: OpenDoors, session: Session, caller: Caller) -> StreamingResponse:
    """The whole trail as lines of JSON, the oldest first: `tallywire audit verify --file` recomputes it anywhere.

    The first line is the head: organization_id, sequence and hash of the newest entry. Each other line has an entry's
    sequence and hash, and in `entry` the text that was hashed, to the letter.
    """
    require(caller, Permission.READ_AUDIT)
    head = (await session.execute(_HEAD, {"organization": caller.organization_id})).one_or_none()
    newest = (head.sequence, head.hash) if head else (0, "")
    lines = _lines(doors.database, caller.organization_id, *newest)
    return StreamingResponse(lines, media_type=NDJSON, headers={"Content-Disposition": "attachment"})


async def _lines(database: Database, organization_id: UUID, last: int, hash_: str) -> AsyncIterator[str]:
    yield json.dumps({"organization_id": str(organization_id), "sequence": last, "hash": hash_}) + "\n"
    after = 0
    while after < last:
        async with database.transaction(organization_id) as session:
            values = {"organization": organization_id, "after": after, "last": last}
            rows = list(await session.execute(_NEXT, values))
        for row in rows:
            yield json.dumps({"sequence": row.sequence, "hash": row.hash, "entry": row.entry}) + "\n"
        after = rows[-1].sequence if rows else last
