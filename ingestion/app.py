"""The collector as a bare ASGI application: routes, errors, and nothing between them and the socket."""

from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus
from typing import Any, Final

import structlog

from ingestion.collector import Collector, Request
from ingestion.problems import Answer, Problem, ok

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

POST_ROUTES: Final[dict[str, Callable[[Collector, Request], Awaitable[Answer]]]] = {
    "/v1/events": Collector.events,
    "/v1/snapshots": Collector.snapshots,
    "/v1/rejections": Collector.rejections,
}

log = structlog.stdlib.get_logger(__name__)


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
            await _send(send, await self._answer(scope, receive))

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        try:
            return await self._route(scope["method"], scope["path"], Request(dict(scope["headers"]), receive))
        except Problem as problem:
            return problem.answer()
        except Exception:
            log.exception("a request failed", path=scope["path"])
            return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "The collector failed; its log says how.").answer()

    async def _route(self, method: str, path: str, request: Request) -> Answer:
        assert self._collector is not None, "the server does not run the lifespan"
        post = POST_ROUTES.get(path)
        if post and method == "POST":
            return await post(self._collector, request)
        if path in {"/healthz", "/readyz"} and method in {"GET", "HEAD"}:
            return await self._collector.ready() if path == "/readyz" else ok(HTTPStatus.OK, {"status": "ok"})
        if post or path in {"/healthz", "/readyz"}:
            raise Problem(
                HTTPStatus.METHOD_NOT_ALLOWED, f"{path} is not for {method}.", allow="POST" if post else "GET"
            )
        raise Problem(HTTPStatus.NOT_FOUND, f"Nothing is at this path; events go to {next(iter(POST_ROUTES))}.")

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        async with self._opened as self._collector:
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})


async def _send(send: Send, answer: Answer) -> None:
    headers = [(b"content-length", str(len(answer.body)).encode())]
    headers += [(name.encode(), value.encode()) for name, value in answer.headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
