"""Every error that FastAPI knows of, as a problem. Neither exception texts nor what was sent are ever repeated."""

from collections.abc import Sequence
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.params import Form
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from api.errors import Invalid, Malformed, Refusal, problem, refused

DETAILS: Final = {
    400: "the body cannot be read",
    404: "there is nothing at this address",
    405: "this address does not take that method; Allow says which it takes",
    413: "the body is larger than what is allowed here",
}
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
KINDS: Final = {400: "malformed", 404: "not-found", 405: "method-not-allowed", 413: "too-large"}


async def on_refusal(request: Request, error: Exception) -> Response:
    """A refusal of ours."""
    assert isinstance(error, Refusal)
    return refused(error, request.state.request_id)


async def on_http(request: Request, error: Exception) -> Response:
    """A refusal of the framework: an unknown route, a wrong method, a body that is not UTF-8."""
    assert isinstance(error, HTTPException)
    return problem(
        error.status_code,
        DETAILS.get(error.status_code, ""),
        request_id=request.state.request_id,
        kind=KINDS.get(error.status_code, ""),
        headers={"Allow": methods_at(request)} if error.status_code == 405 else error.headers,
    )


def methods_at(request: Request) -> str:
    """Every method that the request's address takes; the framework itself names those of one route only."""

    def taken(method: str) -> bool:
        scope = {**request.scope, "method": method}
        return any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)

    return ", ".join(method for method in METHODS if taken(method))


async def on_invalid(request: Request, error: Exception) -> Response:
    """A request that does not fit its schema: 422 for the valid JSON of a POST, 400 for anything else."""
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    refusal: Refusal
    if takes_form(request) and "form" not in request.headers.get("content-type", "form"):
        refusal = Malformed("the body must be a form, sent as Content-Type: application/x-www-form-urlencoded")
    elif any(unreadable(one, request.headers.get("content-type", "")) for one in found):
        refusal = Malformed("the body must be JSON, sent as Content-Type: application/json")
    elif request.method == "POST" and all(one["loc"][0] == "body" for one in found):
        refusal = Invalid("the body is not valid; errors says where", errors=places(found))
    else:
        refusal = Malformed("the request is not valid; errors says where", errors=places(found))
    return refused(refusal, request.state.request_id)


def takes_form(request: Request) -> bool:
    """Whether the request's route takes a form and no JSON."""
    body = getattr(request.scope.get("route"), "body_field", None)
    return isinstance(getattr(body, "field_info", None), Form)


def unreadable(error: dict[str, Any], content_type: str) -> bool:
    """Whether there was no JSON to look into: broken, absent, or sent as something else."""
    if error["type"] == "json_invalid":
        return True
    return tuple(error["loc"]) == ("body",) and (error["type"] == "missing" or "json" not in content_type)


def places(errors: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    """Where and what, for the first 50 errors: `body.title`, `String should have at most 200 characters`."""
    return [
        {
            "at": ".".join(str(step)[:100] for step in error["loc"]),
            "message": str(error["msg"]).removeprefix("Value error, "),
        }
        for error in errors[:50]
    ]


def install(app: FastAPI) -> None:
    """Put the handlers in."""
    app.add_exception_handler(Refusal, on_refusal)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_invalid)
