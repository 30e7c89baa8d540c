"""Is the process alive, and can it serve?"""

import time
from collections.abc import Callable
from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel
from sqlalchemy import text

from api.db import Database
from api.doors import OpenDoors
from api.errors import Unavailable
from api.openapi import problems

CACHED_S = 1.0
router = APIRouter(tags=["health"])


class Health(BaseModel):
    """All is well."""

    status: Literal["ok"] = "ok"


class Readiness:
    """Whether PostgreSQL answered, asked at most once a second."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._asked_at = float("-inf")
        self._ready = False

    async def ready(self, database: Database) -> bool:
        """Whether PostgreSQL answers, as known for at most CACHED_S."""
        if self._now() - self._asked_at >= CACHED_S:
            self._asked_at = self._now()
            try:
                async with database.transaction(None) as session:
                    await session.execute(text("SELECT 1"))
                self._ready = True
            except Unavailable:
                self._ready = False
        return self._ready


@router.get("/healthz", responses=problems())
async def alive() -> Health:
    """The process answers."""
    return Health()


@router.get("/readyz", responses=problems())
async def ready(request: Request, doors: OpenDoors) -> Health:
    """The process can serve: its own database answers. What else may be away is not asked."""
    readiness: Readiness = request.app.state.readiness
    if not await readiness.ready(doors.database):
        raise Unavailable("the database does not answer")
    return Health()
