"""The application: its doors, its edge, its errors, and the list of its routers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Final

from fastapi import APIRouter, FastAPI

from api import handlers, health
from api.approvals.endpoints import router as policies_router
from api.auth.endpoints import router as auth_router
from api.content.actions import router as actions_router
from api.content.endpoints import router as content_router
from api.doors import open_doors
from api.edge import Edge
from api.intake.endpoints import router as intake_router
from api.openapi import document
from api.trail import router as audit_router
from api.write_keys.endpoints import router as write_keys_router
from wire.settings import Settings

ROUTERS: Final = (
    *(auth_router, content_router, actions_router, policies_router, audit_router, write_keys_router, intake_router),
)
PREFIX: Final = "/api/v1"
MIB: Final = 1024 * 1024
BODY_LIMIT: Final = MIB
BODY_LIMITS: Final = {f"{PREFIX}/content/bulk": 16 * MIB}
DESCRIPTION: Final = "Content operations and exact engagement figures. Every error is an RFC 9457 problem."


def create_app(settings: Settings) -> FastAPI:
    """The application over these addresses. Its lifespan raises ValueError where there are no signing keys."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_doors(settings) as doors:
            app.state.doors = doors
            app.state.readiness = health.Readiness()
            yield

    app = FastAPI(
        title="Tallywire",
        version=version("tallywire"),
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=f"{PREFIX}/openapi.json",
        redirect_slashes=False,
    )
    app.include_router(health.router)
    routes = APIRouter(prefix=PREFIX)
    for router in ROUTERS:
        routes.include_router(router)
    app.include_router(routes)
    handlers.install(app)
    app.add_middleware(Edge, body_limit=BODY_LIMIT, body_limits=BODY_LIMITS)
    app.openapi = lambda: document(app)  # type: ignore[method-assign] # FastAPI's own way to say it
    return app
