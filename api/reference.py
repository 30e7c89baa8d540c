"""The reference at /docs: the OpenAPI document as one page, without scripts and without anything from elsewhere."""

import json
from html import escape
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

Parts = dict[str, Any]
router = APIRouter()
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
}
_STYLE: Final = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "h3{font-family:monospace;border-top:1px solid #ccc;padding-top:.8rem}"
    "td{padding:.1rem .8rem .1rem 0;vertical-align:top}pre{background:#f4f4f4;padding:.5rem;overflow:auto}"
)


@router.get("/docs", include_in_schema=False)
async def reference(request: Request) -> HTMLResponse:
    """Every route with its fields, for a browser."""
    return HTMLResponse(page(request.app.openapi(), request.app.openapi_url), headers=HEADERS)


def page(document: Parts, address: str) -> str:
    """An OpenAPI document, which is at `address`, as HTML."""
    info, schemas = document["info"], document["components"]["schemas"]
    routes = [
        _route(method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    shapes = [_shape(name, schema) for name, schema in sorted(schemas.items())]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(info["title"])}</title>'
        f"<style>{_STYLE}</style><h1>{escape(info['title'])} {escape(info['version'])}</h1>"
        f'<p>{escape(info["description"])} For programs: <a href="{address}">{address}</a>.</p>'
        f"<h2>Routes</h2>{''.join(routes)}<h2>Shapes</h2>{''.join(shapes)}</html>"
    )


def _route(method: str, path: str, operation: Parts) -> str:
    asked = [
        (f"{one['name']} ({one['in']})", one["schema"], one.get("description", ""), one.get("required", False))
        for one in operation.get("parameters", [])
    ]
    body = "".join(
        f"<p>Sends {_kind(one['schema'])} as {escape(media)}</p>"
        for media, one in operation.get("requestBody", {}).get("content", {}).items()
    )
    answers = "".join(f"<li>{_answer(status, answer)}</li>" for status, answer in operation["responses"].items())
    said = escape(str(operation.get("description", operation["summary"])))
    return f"<h3>{method} {escape(path)}</h3><p>{said}</p>{_table(asked)}{body}<ul>{answers}</ul>"


def _answer(status: str, answer: Parts) -> str:
    kinds = " or ".join(_kind(one["schema"]) for one in answer.get("content", {}).values() if "schema" in one)
    return f"{status} {escape(answer['description'])} {kinds}"


def _shape(name: str, schema: Parts) -> str:
    needed = schema.get("required", [])
    rows = [
        (field, kind, kind.get("description", ""), field in needed)
        for field, kind in schema.get("properties", {}).items()
    ]
    values = "" if rows else f"<p>{_kind(schema)}</p>"
    example = schema.get("example")
    shown = f"<pre>{escape(json.dumps(example, indent=2))}</pre>" if example else ""
    said = escape(schema.get("description", ""))
    return f'<h3 id="{escape(name)}">{escape(name)}</h3><p>{said}</p>{_table(rows)}{values}{shown}'


def _table(rows: list[tuple[str, Parts, str, bool]]) -> str:
    lines = (
        f"<tr><td><code>{escape(name)}</code>{'' if needed else ' (optional)'}<td>{_kind(schema)}<td>{escape(said)}"
        for name, schema, said, needed in rows
    )
    return f"<table>{''.join(lines)}</table>" if rows else ""


def _kind(schema: Parts) -> str:
    """The type of a value, in a few words, with a link where it has a shape of its own."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rsplit("/", 1)[1])
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return " | ".join(f"<code>{escape(str(one))}</code>" for one in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return escape(f"{schema.get('type', 'anything')} {schema.get('format', '')}".strip())
