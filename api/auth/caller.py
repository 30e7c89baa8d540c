"""The caller of a request: first the token, then one transaction confined to its organization, then the user in it."""

from collections.abc import AsyncIterator
from typing import Annotated, Final
from uuid import UUID

from fastapi import Depends, Header, Request
from fastapi.security import OAuth2PasswordBearer
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from api.api_keys.service import PREFIX as API_KEY
from api.auth import service
from api.auth.secrets import read_secret
from api.auth.service import Asking, Visit
from api.auth.tokens import Claims
from api.doors import OpenDoors
from api.errors import Forbidden, Unauthenticated
from api.users.models import User

TOKEN_PATH = "/api/v1/auth/token"  # noqa: S105 - an address, not a secret
READING = frozenset({"GET", "HEAD"})
ELSEWHERE: Final = {
    "twk_": "this is a write key, which only sends events to the collector; here take an access token or an API key",
    "twr_": "this is a refresh token: exchange it for an access token at POST /api/v1/auth/refresh",
}
"""Secrets of ours that are good for something else, by how they begin."""
bearer = OAuth2PasswordBearer(
    tokenUrl=TOKEN_PATH,
    auto_error=False,
    scheme_name="token",
    description="A token of `POST /api/v1/auth/token`, or an API key (`twp_...`)",
)
Organization = Annotated[
    UUID | None,
    Header(
        alias="X-Tallywire-Organization",
        description="another organization, for a super_admin; both organizations' audit trails tell of it",
    ),
]


async def signed(
    doors: OpenDoors,
    request: Request,
    token: Annotated[str | None, Depends(bearer)],
    organization_id: Organization = None,
) -> Asking:
    """What the request proves of its caller."""
    if not token:
        raise Unauthenticated("this needs an access token: Authorization: Bearer ...")
    if elsewhere := ELSEWHERE.get(token[:4]):
        raise Unauthenticated(elsewhere)
    asking = read_secret(API_KEY, token) if token.startswith(API_KEY) else doors.tokens.read(token)
    if organization_id is None:
        return asking
    return await service.visit(doors.database, asking, organization_id, f"{request.method} {request.url.path}")


Signed = Annotated[Asking, Depends(signed)]


async def session_of(doors: OpenDoors, asking: Signed) -> AsyncIterator[AsyncSession]:
    """The request's transaction; it is committed before the answer goes out."""
    try:
        async with doors.database.transaction(asking.organization_id) as session:
            yield session
    except IntegrityError as error:
        if isinstance(asking, Visit):
            raise Forbidden("only a member of the organization may do this") from error
        raise


Session = Annotated[AsyncSession, Depends(session_of, scope="function")]


async def caller_of(session: Session, asking: Signed, request: Request) -> User:
    """The user, as stored now. Raises Forbidden where an API key without any scope would change something."""
    user = await service.signed_in(session, asking)
    if user.scopes is not None and not user.scopes and request.method not in READING:
        raise Forbidden("this API key has no scope: it may only read")
    return user


Caller = Annotated[User, Depends(caller_of)]


async def claims_of(asking: Signed) -> Claims:
    """The claims of an access token. Raises Forbidden for an API key, and for a visit to another organization."""
    if not isinstance(asking, Claims):
        raise Forbidden("this is about your own account: sign in, without an API key and in your own organization")
    return asking


Token = Annotated[Claims, Depends(claims_of)]


async def person_of(_token: Token, caller: Caller) -> User:
    """The user, signed in by themselves and at home: what concerns one's own account asks for that."""
    return caller


Person = Annotated[User, Depends(person_of)]
