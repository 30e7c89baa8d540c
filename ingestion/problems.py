"""Answers over HTTP, and refusals of a whole request as RFC 9457 problem details."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import msgspec

KINDS: Final = {
    400: "malformed",
    401: "unauthenticated",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    408: "too-slow",
    413: "too-large",
    415: "unsupported-media-type",
    429: "too-many-requests",
    500: "internal",
    503: "unavailable",
}
"""What a problem is called, by its status; docs/problems.md has a part for each."""
_JSON: Final = ((b"content-type", b"application/json"),)


class Answer(NamedTuple):
    """What goes back: status, body, headers."""

    status: int
    body: bytes
    headers: Sequence[tuple[bytes, bytes]]


class Problem(Exception):
    """This request is refused as a whole; `detail` tells a person what to do."""

    def __init__(self, status: int, detail: str, **headers: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def answer(self) -> Answer:
        """The problem as JSON."""
        told = {
            "type": f"urn:tallywire:problem:{KINDS[self.status]}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        headers = {"content-type": "application/problem+json"} | self.headers
        encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
        return Answer(self.status, msgspec.json.encode(told), encoded)


def malformed(detail: str) -> Problem:
    """400: the body as a whole cannot be read."""
    return Problem(HTTPStatus.BAD_REQUEST, detail)


def too_large(detail: str) -> Problem:
    """413. The server reads past the rest of the body, so that the sender gets to see the answer."""
    return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)


def unavailable(detail: str, *, retry_after_s: int = 1) -> Problem:
    """503: nothing was lost, the same request again will do."""
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, retry_after=str(retry_after_s))


def ok(status: int, told: Any) -> Answer:
    """A JSON answer."""
    return Answer(status, msgspec.json.encode(told), _JSON)
