"""What a caller can be told went wrong: each error knows its status, and every answer is an RFC 9457 problem.

Refusal
├── Malformed         400   not JSON, not a known parameter, not a valid update
├── Unauthenticated   401   no token, or one that does not hold; SecondFactorRequired is one of it
├── Forbidden         403   signed in, but not allowed
├── NotFound          404   not there, or another organization's: the two read alike
├── Conflict          409   what is asked for is not possible as things stand; LimitReached is one of it
├── Stale             412   it has changed since the caller read it
├── TooLarge          413   the body passes the limit
├── Invalid           422   JSON, but not what is asked for
├── TooMany           429   the limit of requests is spent
└── Unavailable       503   a store does not answer
"""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, ClassVar, Final

from starlette.responses import Response

PROBLEM_JSON: Final = "application/problem+json"


class Refusal(Exception):
    """The root of every error that is told to the caller, word by word: write nothing secret into `detail`."""

    status: ClassVar[int]
    kind: ClassVar[str]

    def __init__(
        self, detail: str, *, headers: Mapping[str, str] | None = None, errors: Sequence[Mapping[str, str]] = ()
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.headers = dict(headers or {})
        self.errors = list(errors)


class Malformed(Refusal):
    """The request cannot be read."""

    status, kind = 400, "malformed"


class Unauthenticated(Refusal):
    """Nobody known is asking."""

    status, kind = 401, "unauthenticated"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": "Bearer"})


class SecondFactorRequired(Unauthenticated):
    """The password is right; the code of the second factor is missing."""

    kind = "second-factor-required"


class Forbidden(Refusal):
    """The caller's role does not allow this."""

    status, kind = 403, "forbidden"


class NotFound(Refusal):
    """Nothing here that the caller may know of."""

    status, kind = 404, "not-found"


class Conflict(Refusal):
    """Not possible as things stand."""

    status, kind = 409, "conflict"


class LimitReached(Conflict):
    """As many as may be are there already; one of them must go first."""

    kind = "limit-reached"


class Stale(Refusal):
    """It is no longer what the caller's If-Match says."""

    status, kind = 412, "stale"


class TooLarge(Refusal):
    """The body passes the limit."""

    status, kind = 413, "too-large"


class Invalid(Refusal):
    """Read, understood, and not valid."""

    status, kind = 422, "invalid"


class TooMany(Refusal):
    """The limit is spent; `Retry-After` says when to come again."""

    status, kind = 429, "too-many-requests"


class Unavailable(Refusal):
    """A store does not answer; nothing was changed."""

    status, kind = 503, "unavailable"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"Retry-After": "1"})


def problem(
    status: int,
    detail: str,
    *,
    request_id: str,
    kind: str = "",
    headers: Mapping[str, str] | None = None,
    errors: Sequence[Mapping[str, str]] = (),
) -> Response:
    """The answer to a request that went wrong; without `kind` the status says it all (`about:blank`)."""
    body: dict[str, Any] = {
        "type": f"urn:tallywire:problem:{kind}" if kind else "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "request_id": request_id,
    }
    if errors:
        body["errors"] = list(errors)
    return Response(json.dumps(body), status, headers, media_type=PROBLEM_JSON)


def refused(refusal: Refusal, request_id: str) -> Response:
    """A refusal as its answer."""
    return problem(
        refusal.status,
        refusal.detail,
        request_id=request_id,
        kind=refusal.kind,
        headers=refusal.headers,
        errors=refusal.errors,
    )
