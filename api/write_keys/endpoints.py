"""The routes of write keys."""

from uuid import UUID

from fastapi import APIRouter, Response

from api.auth.caller import Caller, Session
from api.auth.rules import Permission, require
from api.idempotency import SealedOnce, created
from api.openapi import problems
from api.write_keys import service
from api.write_keys.schemas import WriteKeyCreatedResponse, WriteKeyCreateRequest, WriteKeyResponse

router = APIRouter(prefix="/write-keys", tags=["write keys"])


@router.post(
    "",
    status_code=201,
    response_model=WriteKeyCreatedResponse,
    responses=problems(400, 401, 403, 409, 413, 422),
)
async def create(session: Session, caller: Caller, request: WriteKeyCreateRequest, once: SealedOnce) -> Response:
    """Make a write key. The answer shows it, and nothing else ever does."""
    require(caller, Permission.MANAGE_WRITE_KEYS)

    async def make() -> Response:
        row, key = await service.create(session, caller, request)
        return created(WriteKeyCreatedResponse(**WriteKeyResponse.model_validate(row).model_dump(), key=key))

    return await once(make)


@router.get("", responses=problems(401, 403))
async def index(session: Session, caller: Caller) -> list[WriteKeyResponse]:
    """All write keys, revoked ones too."""
    require(caller, Permission.MANAGE_WRITE_KEYS)
    return [WriteKeyResponse.model_validate(row) for row in await service.index(session, caller)]


@router.delete("/{id}", status_code=204, responses=problems(400, 401, 403, 404))
async def revoke(session: Session, caller: Caller, id: UUID) -> None:  # noqa: A002 - the path's own name
    """Revoke a write key; what it sends from now on is refused."""
    require(caller, Permission.MANAGE_WRITE_KEYS)
    await service.revoke(session, caller, id)
