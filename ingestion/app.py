"""The collector as a bare ASGI application: routes, errors, and nothing between them and the socket."""

from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from http import HTTPStatus
from typing import Any, Final

import structlog

from ingestion.collector import Collector, Request
from ingestion.problems import Answer, Problem

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

Route = Callable[[Request], Awaitable[Answer]]

ROUTES: Final[dict[str, dict[str, Callable[[Collector, Request], Awaitable[Answer]]]]] = {
    "/v1/events": {"POST": Collector.events},
    "/v1/snapshots": {"POST": Collector.snapshots},
    "/v1/rejections": {"POST": Collector.rejections},
    "/healthz": {"GET": Collector.lives, "HEAD": Collector.lives},
    "/readyz": {"GET": Collector.ready, "HEAD": Collector.ready},
}

log = structlog.stdlib.get_logger(__name__)

GUARDS: Final = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))
"""An answer is for the one who asked, and is what it says it is."""


class App:
    """ASGI: lifespan opens the collector, http answers one request."""

    def __init__(self, opened: AbstractAsyncContextManager[Collector]) -> None:
        self._opened = opened
        self._collector: Collector | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One scope of ASGI."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            try:
                answer = await self._route(scope["method"], scope["path"])(Request(dict(scope["headers"]), receive))
            except Problem as problem:
                answer = problem.answer()
            except Exception:
                log.exception("a request failed", path=scope["path"])
                answer = Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "The collector failed; its log says how.").answer()
            headers = [(b"content-length", b"%d" % len(answer.body)), *GUARDS, *answer.headers]
            await send({"type": "http.response.start", "status": answer.status, "headers": headers})
            await send({"type": "http.response.body", "body": answer.body})

    def _route(self, method: str, path: str) -> Route:
        """What answers. Raises Problem 404 or 405."""
        assert self._collector is not None, "the server does not run the lifespan"
        routes = ROUTES.get(path)
        if routes is None:
            raise Problem(HTTPStatus.NOT_FOUND, "Nothing is at this path; events go to /v1/events.")
        if method not in routes:
            raise Problem(HTTPStatus.METHOD_NOT_ALLOWED, f"{path} is not for {method}.", allow=", ".join(routes))
        return partial(routes[method], self._collector)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        async with self._opened as self._collector:
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})
