"""What every request meets first and every answer passes last: request id, size limit, headers, log, last catch."""

import re
import time
from collections.abc import Mapping
from typing import Final
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import Refusal, TooLarge, problem, refused

REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_log = structlog.stdlib.get_logger("api")


class Edge:
    """ASGI middleware around the whole application. `body_limits` are bytes by path, `body_limit` everywhere else."""

    def __init__(self, app: ASGIApp, *, body_limit: int, body_limits: Mapping[str, int]) -> None:
        self._app = app
        self._body_limit = body_limit
        self._body_limits = body_limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request through; whatever happens inside, an answer goes out and one line is logged."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked = Headers(scope=scope).get("x-request-id", "")
        request_id = asked if REQUEST_ID.fullmatch(asked) else str(uuid4())
        scope.setdefault("state", {})["request_id"] = request_id
        answer = _Answer(send, request_id)
        began = time.perf_counter()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await self._answered(scope, receive, answer, request_id)
            _log.info(
                "request",
                method=scope["method"],
                path=scope["path"][:200],
                status=answer.status,
                duration_ms=round((time.perf_counter() - began) * 1000, 1),
            )

    async def _answered(self, scope: Scope, receive: Receive, answer: "_Answer", request_id: str) -> None:
        limit = self._body_limits.get(scope["path"], self._body_limit)
        try:
            refuse_declared(scope, limit)
            await self._app(scope, limited(receive, limit), answer)
        except Exception as error:
            if answer.status:
                raise
            if isinstance(error, Refusal):
                response = refused(error, request_id)
            else:
                _log.exception("request failed")
                detail = "something went wrong on our side; the logs have it under this request_id"
                response = problem(500, detail, request_id=request_id, kind="internal")
            await response(scope, receive, answer)


class _Answer:
    """`send`, with our headers put on; remembers the status, 0 until the answer has begun."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-Id"] = self._request_id
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await self._send(message)


def refuse_declared(scope: Scope, limit: int) -> None:
    """Raise TooLarge where the Content-Length already says so."""
    declared = Headers(scope=scope).get("content-length", "0")
    if declared.isdecimal() and int(declared) > limit:
        raise TooLarge(f"the body has {declared} bytes, {limit} are allowed")


def limited(receive: Receive, limit: int) -> Receive:
    """`receive`, raising HTTPException(413), which FastAPI lets pass, once more than `limit` bytes have come."""
    received = 0

    async def counted() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit:
            raise HTTPException(413)
        return message

    return counted
