"""The application: its doors, its edge, its errors, and the list of its routers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Final

from fastapi import FastAPI

from api import handlers, health, reference
from api.api_keys.endpoints import router as api_keys_router
from api.approvals.endpoints import router as policies_router
from api.assignments.endpoints import router as assignments_router
from api.auth.endpoints import keys_router
from api.auth.endpoints import router as auth_router
from api.commands.endpoints import router as commands_router
from api.comments.endpoints import router as comments_router
from api.content.actions import router as actions_router
from api.content.batch import router as batch_router
from api.content.endpoints import router as content_router
from api.doors import open_doors
from api.edge import Edge
from api.intake.endpoints import router as intake_router
from api.invitations.endpoints import router as invitations_router
from api.openapi import document
from api.organizations.endpoints import router as organizations_router
from api.passwords.endpoints import router as passwords_router
from api.second_factors.endpoints import router as second_factors_router
from api.sessions.endpoints import router as sessions_router
from api.trail import router as audit_router
from api.users.endpoints import router as users_router
from api.write_keys.endpoints import router as write_keys_router
from wire.settings import Settings

PREFIX: Final = "/api/v1"
MIB: Final = 1024 * 1024
BODY_LIMIT: Final = MIB
BODY_LIMITS: Final = {f"{PREFIX}/content/bulk": 16 * MIB}
ROUTERS: Final = (
    content_router,
    auth_router,
    sessions_router,
    passwords_router,
    second_factors_router,
    users_router,
    invitations_router,
    organizations_router,
    api_keys_router,
    batch_router,
    comments_router,
    assignments_router,
    actions_router,
    policies_router,
    audit_router,
    intake_router,
    write_keys_router,
    commands_router,
)
"""They are asked in this order whether a request is theirs: what is read most comes first."""
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
        telemetry={"tracing": False, "metrics": False, "logs": False},  # nobody collects it, and each request would ask
    )
    for router in ROUTERS:
        app.include_router(router, prefix=PREFIX)
    for router in (health.router, keys_router, reference.router):
        app.include_router(router)
    handlers.install(app)
    app.add_middleware(Edge, body_limit=BODY_LIMIT, body_limits=BODY_LIMITS)
    app.openapi = lambda: document(app)  # type: ignore[method-assign] # FastAPI's own way to say it
    return app
