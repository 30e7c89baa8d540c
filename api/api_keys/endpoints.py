"""The routes of API keys."""

from uuid import UUID

from fastapi import APIRouter, Response

from api.api_keys import service
from api.api_keys.schemas import ApiKeyCreatedResponse, ApiKeyCreateRequest, ApiKeyResponse
from api.auth.caller import Person, Session
from api.doors import OpenDoors
from api.idempotency import SealedOnce, created
from api.openapi import problems

router = APIRouter(prefix="/api-keys", tags=["API keys"])


@router.post(
    "",
    status_code=201,
    response_model=ApiKeyCreatedResponse,
    responses=problems(400, 401, 403, 409, 413, 422),
)
async def create(
    doors: OpenDoors, session: Session, person: Person, request: ApiKeyCreateRequest, once: SealedOnce
) -> Response:
    """Make an API key of your own. The answer shows it, and nothing else ever does."""

    async def make() -> Response:
        row, key = await service.create(session, person, request, doors.most_api_keys)
        return created(ApiKeyCreatedResponse(**ApiKeyResponse.model_validate(row).model_dump(), key=key))

    return await once(make)


@router.get("", responses=problems(401, 403))
async def index(session: Session, person: Person) -> list[ApiKeyResponse]:
    """Your API keys, those that are over too."""
    return [ApiKeyResponse.model_validate(row) for row in await service.index(session, person)]


@router.delete("/{id}", status_code=204, responses=problems(400, 401, 403, 404))
async def revoke(session: Session, person: Person, id: UUID) -> None:  # noqa: A002 - the path's own name
    """Revoke an API key of yours; what it asks from now on is refused."""
    await service.revoke(session, person, id)
