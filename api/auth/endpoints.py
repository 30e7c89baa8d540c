"""Sign in, and by which keys our tokens are verified."""

from typing import Annotated, Any

from fastapi import APIRouter, Form

from api.auth import outside
from api.auth import sign_in as signing_in
from api.auth.origin import CalledFrom
from api.auth.schemas import OidcFinishRequest, OidcStartResponse, SignIn
from api.doors import OpenDoors
from api.openapi import problems
from api.sessions.schemas import TokenResponse

router = APIRouter(tags=["auth"])
keys_router = APIRouter(tags=["auth"])


@router.post("/auth/token", responses=problems(400, 401, 409, 413, 422, 429))
async def sign_in(doors: OpenDoors, origin: CalledFrom, form: Annotated[SignIn, Form()]) -> TokenResponse:
    """Sign in with email address and password (OAuth2's password flow) for an access token of ten minutes."""
    return await signing_in.sign_in(doors, form, origin)


@router.post("/auth/oidc/start", responses=problems(404, 429))
async def start_outside(doors: OpenDoors, origin: CalledFrom) -> OidcStartResponse:
    """Begin to sign in at the identity provider: send the browser there, and keep the flow."""
    _ = doors.oidc.organization_id
    await doors.throttle.begin(origin.address)
    address, flow = await doors.oidc.start()
    return OidcStartResponse(authorization_url=address, flow=flow)


@router.post("/auth/oidc/finish", responses=problems(400, 401, 404, 409, 413, 422, 429))
async def finish_outside(doors: OpenDoors, origin: CalledFrom, request: OidcFinishRequest) -> TokenResponse:
    """Sign in as the user for whom the identity provider vouches."""
    return await outside.sign_in(doors, request, origin)


@keys_router.get("/.well-known/jwks.json", responses=problems())
async def public_keys(doors: OpenDoors) -> dict[str, Any]:
    """The JSON Web Key Set by which access tokens can be verified elsewhere."""
    return doors.tokens.public_keys()
