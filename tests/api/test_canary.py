"""Secrets are sent to every route, in many places: none comes back, none is logged, none is kept."""

import logging
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx2
import pytest

from api.app import create_app
from api.auth.caller import Caller
from wire.settings import Settings

CANARY = "canary-5f0c7a865b5e4a53"
ROUTES = sorted(
    (method.upper(), path)
    for path, methods in create_app(Settings()).openapi()["paths"].items()
    for method in methods
    if path.startswith("/api/v1/")
)
JSON = {"Content-Type": "application/json"}
TABLES = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"


def ways(headers: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Requests that are refused, each with the secret in another place."""
    fields = ("password", "new_password", "token", "code", "otp", "secret", "username", "title", "name")
    return {
        "a token": {"headers": {"Authorization": f"Bearer {CANARY}"}},
        "an API key": {"headers": {"Authorization": f"Bearer twp_{CANARY}"}},
        "a write key": {"headers": {"Authorization": f"Bearer tw_{CANARY}"}},
        "basic": {"headers": {"Authorization": f"Basic {CANARY}"}},
        "a cookie": {"headers": {**headers, "Cookie": f"session={CANARY}"}},
        "broken JSON": {"headers": {**headers, **JSON}, "content": f'{{"password": "{CANARY}"'},
        "the wrong type": {"headers": headers, "json": {name: [CANARY] for name in fields}},
        "too long": {"headers": headers, "json": dict.fromkeys(fields, CANARY * 1000)},
        "an unknown field": {"headers": headers, "json": {"unknown": CANARY}},
        "a form": {"headers": headers, "data": {"password": CANARY, "username": CANARY, "grant_type": CANARY}},
        "an unknown parameter": {"headers": headers, "params": {"password": CANARY}},
    }


@pytest.fixture
async def breaking(settings) -> AsyncIterator[httpx2.AsyncClient]:
    """The application, with a route that fails while it holds a secret."""
    app = create_app(settings)

    @app.post("/breaks")
    async def breaks(caller: Caller, body: dict[str, str]) -> None:
        raise RuntimeError("it failed")

    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://api") as client:
            yield client


async def found_in(superuser: asyncpg.Pool) -> list[str]:
    """The tables that hold the secret somewhere, bytes too."""
    hit = []
    for (table,) in await superuser.fetch(TABLES):
        looked = f"SELECT EXISTS (SELECT FROM {table} t WHERE t::text LIKE $1 OR t::text LIKE $2)"
        if await superuser.fetchval(looked, f"%{CANARY}%", f"%{CANARY.encode().hex()}%"):
            hit.append(table)
    return hit


async def test_no_secret_comes_back_is_logged_or_kept(client, team, superuser, breaking, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.WARNING, "httpx2")  # the client's own log, not ours
    statuses = set()
    for n, (method, path) in enumerate(ROUTES):
        address = path.replace("{id}", str(team.id)).replace("{first}...{last}", "1...1").replace("{number}", "1")
        for way, request in list(ways(team.org_admin.headers).items())[n % 3 :: 3]:
            answer = await client.request(method, address, **request)
            statuses.add(answer.status_code)
            assert CANARY not in answer.text, (method, path, way)
    failed = await breaking.post("/breaks", json={"password": CANARY}, headers=team.org_admin.headers)
    assert (failed.status_code, CANARY in failed.text) == (500, False)
    assert {400, 401, 404, 422} <= statuses
    assert "RuntimeError" in caplog.text
    assert CANARY not in caplog.text
    assert await found_in(superuser) == []
