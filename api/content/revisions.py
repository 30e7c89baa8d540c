"""Every text that a piece has had, and how two of them differ."""

import difflib
import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from sqlalchemy import bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession

from api.content.models import ContentType
from api.content.rich_text import RichText
from api.errors import NotFound

MOST_LISTED = 500
_RECORD = text("""
    INSERT INTO content_revisions
        (organization_id, content_id, revision, sha256, title, body, type, platforms, author_id)
    SELECT organization_id, id, revision, content_sha256(type, title, body, platforms), title, body, type, platforms,
           :author_id
    FROM content WHERE id IN :ids
""").bindparams(bindparam("ids", expanding=True))
_LIST = text("""
    SELECT revision, sha256, author_id, created_at FROM content_revisions WHERE content_id = :id
    ORDER BY revision DESC LIMIT :most
""")
_ONE = text("SELECT * FROM content_revisions WHERE content_id = :id AND revision = :revision")


class RevisionSummary(BaseModel):
    """A revision without its text."""

    model_config = ConfigDict(from_attributes=True)

    revision: int
    sha256: str
    author_id: UUID
    created_at: datetime


class RevisionResponse(RevisionSummary):
    """A revision as it was."""

    title: str
    body: RichText
    type: ContentType
    platforms: list[str]


class DiffResponse(BaseModel):
    """How one revision became another, as a unified diff."""

    first: int
    last: int
    diff: str


def digest(kind: str, title: str, body: str, platforms: Sequence[str]) -> str:
    """The SHA-256 of a text's canonical JSON, as `content_sha256` has it in PostgreSQL."""
    named = {"type": kind, "title": title, "body": body, "platforms": sorted(platforms)}
    canonical = json.dumps(named, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


async def record(session: AsyncSession, ids: Sequence[UUID], author_id: UUID) -> None:
    """Keep these pieces' texts as they stand in this transaction."""
    if ids:
        await session.execute(_RECORD, {"ids": list(ids), "author_id": author_id})


async def index(session: AsyncSession, content_id: UUID) -> list[RevisionSummary]:
    """The revisions of a piece that the caller may see, the newest 500, the newest first."""
    rows = await session.execute(_LIST, {"id": content_id, "most": MOST_LISTED})
    return [RevisionSummary.model_validate(row) for row in rows]


async def find(session: AsyncSession, content_id: UUID, revision: int) -> RevisionResponse:
    """One revision. Raises NotFound."""
    row = (await session.execute(_ONE, {"id": content_id, "revision": revision})).one_or_none()
    if row is None:
        raise NotFound("there is no such revision")
    return RevisionResponse.model_validate(row)


def lines_of(one: RevisionResponse) -> list[str]:
    """A revision as the lines that are compared."""
    return [
        f"type: {one.type.value}",
        f"platforms: {', '.join(sorted(one.platforms))}",
        one.title,
        *one.body.split("\n"),
    ]


def difference(first: RevisionResponse, last: RevisionResponse) -> DiffResponse:
    """The unified diff from one revision to another; empty where they are the same."""
    names = (f"revision {first.revision}", f"revision {last.revision}")
    made = "\n".join(difflib.unified_diff(lines_of(first), lines_of(last), *names, lineterm=""))
    return DiffResponse(first=first.revision, last=last.revision, diff=made)
