"""If-Match and If-None-Match: nobody overwrites what they have not seen, nobody is sent what they have."""

import re
from typing import Annotated, Final
from uuid import UUID

from fastapi import Header, Response
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.status import HTTP_304_NOT_MODIFIED

from api.auth.caller import Caller, Session
from api.content import service
from api.content.representation import state_tag
from api.errors import Malformed, Stale
from api.users.models import User

_TAG: Final = re.compile(r'(?:W/)?"([\x21\x23-\x7e]*)"')
Tags = Annotated[str | None, Header(max_length=2000)]


def tags_of(header: str) -> set[str]:
    """The tags of a header, without their quotes; `*` is itself. Raises Malformed."""
    if header.strip() == "*":
        return {"*"}
    parts = [part.strip() for part in header.split(",")]
    found = [_TAG.fullmatch(part) for part in parts]
    if not all(found):
        raise Malformed('an ETag is quoted: If-Match: "..."')
    return {match[1] for match in found if match}


async def unless_stale(session: Session, caller: Caller, id: UUID, if_match: Tags = None) -> None:  # noqa: A002 - the path's own name
    """The same as `refuse_stale`, where there is an If-Match."""
    if if_match is not None:
        await refuse_stale(session, caller, id, if_match)


async def refuse_stale(session: AsyncSession, caller: User, content_id: UUID, if_match: str) -> None:
    """Lock the piece, and raise Stale where it is in none of the states that If-Match names.

    The state decides, not the figures: readers' views do not make an editor's copy stale. A weak tag never matches.
    """
    piece = await service.find(session, caller, content_id, to_change=True)
    strong = ", ".join(part for part in if_match.split(",") if not part.strip().startswith("W/"))
    tags = tags_of(strong) if strong else set()
    states = {tag.split(".", 1)[0] for tag in tags}
    if "*" not in tags and state_tag(piece.revision, piece.updated_at) not in states:
        raise Stale("the content has changed since you read it; read it again, then change that")


def unless_known(shown: Response, if_none_match: str | None) -> Response:
    """The answer, or 304 without a body where the caller has it already."""
    if if_none_match is None:
        return shown
    tags = tags_of(if_none_match)
    if "*" not in tags and shown.headers["ETag"].strip('"') not in tags:
        return shown
    return Response(None, HTTP_304_NOT_MODIFIED, {"ETag": shown.headers["ETag"]})
