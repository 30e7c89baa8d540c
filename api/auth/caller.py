"""The caller of a request: first the token, then one transaction confined to its organization, then the user in it."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends
from fastapi.security import OAuth2PasswordBearer
from sqlalchemy.ext.asyncio import AsyncSession

from api.auth import service
from api.auth.tokens import Claims
from api.doors import OpenDoors
from api.errors import Unauthenticated
from api.users.models import User

TOKEN_PATH = "/api/v1/auth/token"  # noqa: S105 - an address, not a secret
bearer = OAuth2PasswordBearer(
    tokenUrl=TOKEN_PATH, auto_error=False, scheme_name="token", description="A token of `POST /api/v1/auth/token`"
)


def claims_of(doors: OpenDoors, token: Annotated[str | None, Depends(bearer)]) -> Claims:
    """Whom the request's token speaks of."""
    if not token:
        raise Unauthenticated("this needs an access token: Authorization: Bearer ...")
    return doors.tokens.read(token)


Signed = Annotated[Claims, Depends(claims_of)]


async def session_of(doors: OpenDoors, claims: Signed) -> AsyncIterator[AsyncSession]:
    """The request's transaction; it is committed before the answer goes out."""
    async with doors.database.transaction(claims.organization_id) as session:
        yield session


Session = Annotated[AsyncSession, Depends(session_of, scope="function")]


async def caller_of(session: Session, claims: Signed) -> User:
    """The user, as stored now."""
    return await service.signed_in(session, claims)


Caller = Annotated[User, Depends(caller_of)]
