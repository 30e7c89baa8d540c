"""What the OpenAPI document says of errors: each is a problem, and each route names its own."""

from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.errors import PROBLEM_JSON

PROBLEM: Final[dict[str, Any]] = {
    "title": "Problem",
    "description": "RFC 9457 problem details.",
    "type": "object",
    "required": ["type", "title", "status", "detail", "request_id"],
    "properties": {
        "type": {"type": "string", "description": "what went wrong, as a stable URI; docs/problems.md has each"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "what went wrong and what to do, for a person"},
        "request_id": {"type": "string", "description": "the answer's X-Request-Id, by which the logs have it"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["at", "message"],
                "properties": {"at": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
    "example": {
        "type": "urn:tallywire:problem:not-found",
        "title": "Not Found",
        "status": 404,
        "detail": "there is no content with this id",
        "request_id": "5f0c7a86-5b5e-4a53-9a0e-6b8f0f6d5a11",
    },
}

RATE_LIMIT_HEADERS: Final[dict[str, Any]] = {
    "RateLimit": {"description": "how many are left, and when the next comes free", "schema": {"type": "string"}},
    "RateLimit-Policy": {"description": "how many in how many seconds", "schema": {"type": "string"}},
    "X-RateLimit-Limit": {"schema": {"type": "integer"}},
    "X-RateLimit-Remaining": {"schema": {"type": "integer"}},
    "X-RateLimit-Reset": {"description": "unix time", "schema": {"type": "integer"}},
}
RETRY_AFTER: Final[dict[str, Any]] = {"Retry-After": {"description": "seconds", "schema": {"type": "integer"}}}
HEADERS: Final[dict[int, dict[str, Any]]] = {429: {**RATE_LIMIT_HEADERS, **RETRY_AFTER}, 503: RETRY_AFTER}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route for these errors, and for the two that any route may end in."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            **({"headers": HEADERS[status]} if status in HEADERS else {}),
        }
        for status in (*statuses, 500, 503)
    }


def document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, made once: FastAPI's, with our problems in place of its own 422."""
    if app.openapi_schema is None:
        made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        for operations in made["paths"].values():
            for operation in operations.values():
                answers = operation["responses"]
                if "HTTPValidationError" in str(answers.get("422", "")):
                    del answers["422"]
        schemas = made.setdefault("components", {}).setdefault("schemas", {})
        schemas.pop("HTTPValidationError", None)
        schemas.pop("ValidationError", None)
        schemas["Problem"] = PROBLEM
        app.openapi_schema = made
    return app.openapi_schema
