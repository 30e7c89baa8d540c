"""The routes of sessions."""

from uuid import UUID

from fastapi import APIRouter

from api.auth.caller import Person, Session, Token
from api.doors import OpenDoors
from api.openapi import problems
from api.sessions import service
from api.sessions.schemas import RefreshRequest, SessionResponse, TokenResponse

router = APIRouter(tags=["sessions"])


@router.post("/auth/refresh", responses=problems(400, 401, 413, 422))
async def refresh(doors: OpenDoors, request: RefreshRequest) -> TokenResponse:
    """The next pair of tokens. A refresh token that comes a second time ends its session: refresh one at a time."""
    return await service.refresh(doors.database, doors.tokens, request.refresh_token.get_secret_value())


@router.post("/auth/sign-out", status_code=204, responses=problems(401, 403))
async def sign_out(session: Session, token: Token, person: Person) -> None:
    """End the session of this token; its access tokens are over at once."""
    if token.session_id is not None:
        await service.end(session, person, "signed_out", only=token.session_id)


@router.post("/auth/sign-out-everywhere", status_code=204, responses=problems(401, 403))
async def sign_out_everywhere(session: Session, person: Person) -> None:
    """End every session of yours, this one too."""
    await service.end(session, person, "signed_out")


@router.get("/sessions", responses=problems(401, 403))
async def index(session: Session, token: Token, person: Person) -> list[SessionResponse]:
    """Where you are signed in, the newest first."""
    return await service.index(session, person, token.session_id)


@router.delete("/sessions/{id}", status_code=204, responses=problems(400, 401, 403, 404))
async def end(session: Session, person: Person, id: UUID) -> None:  # noqa: A002 - the path's own name
    """End one session of yours."""
    await service.end_one(session, person, id)
