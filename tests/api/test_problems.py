"""Every error is a problem, with the id of its request, and repeats nothing that it should not."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from api.app import create_app
from api.auth.caller import Caller
from api.auth.tokens import Tokens

MIB = 1024 * 1024
PIECE = {"type": "custom", "title": "t"}


def check_problem(answer: httpx2.Response, status: int) -> dict[str, object]:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert body["request_id"] == answer.headers["x-request-id"]
    assert {"type", "title", "detail"} <= body.keys()
    return body


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/api/v1/content/", 404),
        ("GET", "/api/v1/content/a/b/c", 404),
        ("DELETE", "/api/v1/content", 405),
        ("DELETE", "/api/v1/me", 405),
        ("GET", "/api/v1/me", 401),
    ],
)
async def test_what_the_framework_refuses_is_a_problem_too(client, method, path, status) -> None:
    answer = await client.request(method, path)
    check_problem(answer, status)


@pytest.mark.parametrize(
    ("method", "path", "takes"),
    [
        ("DELETE", "/api/v1/content", "GET, POST"),
        ("PATCH", "/api/v1/content/x", "GET, PUT"),
        ("POST", "/api/v1/write-keys/x", "DELETE"),
        ("OPTIONS", "/healthz", "GET"),
    ],
)
async def test_a_wrong_method_is_told_every_right_one(client, method, path, takes) -> None:
    answer = await client.request(method, path)
    check_problem(answer, 405)
    assert answer.headers["allow"] == takes


async def test_a_request_id_of_the_caller_s_is_kept_and_a_strange_one_replaced(client) -> None:
    assert check_problem(await client.get("/nowhere", headers={"X-Request-Id": "abc-1"}), 404)["request_id"] == "abc-1"
    for strange in ("x" * 65, "a b", "<script>", ""):
        assert (
            check_problem(await client.get("/nowhere", headers={"X-Request-Id": strange}), 404)["request_id"] != strange
        )


@pytest.mark.parametrize("path", ["/nowhere", "/healthz", "/api/v1/me", "/api/v1/openapi.json"])
async def test_every_answer_has_the_security_headers(client, path) -> None:
    headers = (await client.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["strict-transport-security"]


async def chunks(count: int, size: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"x" * size


async def test_a_body_over_the_limit_is_413_whether_or_not_it_says_how_long_it_is(client, team) -> None:
    headers = {**team.editor.headers, "Content-Type": "application/json"}
    declared = await client.post("/api/v1/content", content=b"x" * (MIB + 1), headers=headers)
    check_problem(declared, 413)
    streamed = await client.post("/api/v1/content", content=chunks(17, 65536), headers=headers)
    check_problem(streamed, 413)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    check_problem(await client.post("/api/v1/auth/token", content=chunks(17, 65536), headers=form), 413)
    check_problem(await client.post("/api/v1/content", content=b"x" * MIB, headers=headers), 400)


async def test_an_import_may_be_larger_than_other_bodies(client, team) -> None:
    headers = {**team.org_admin.headers, "Content-Type": "application/json"}
    check_problem(await client.post("/api/v1/content/bulk", content=b"x" * (2 * MIB), headers=headers), 400)
    check_problem(await client.post("/api/v1/content/bulk", content=chunks(257, 65536), headers=headers), 413)


async def test_a_problem_says_where_and_survives_any_name_that_was_sent(client, team) -> None:
    headers = {**team.editor.headers, "Content-Type": "application/json"}
    broken = json.dumps({**PIECE, "half a pair \ud83c": 1})
    check_problem(await client.post("/api/v1/content", content=broken, headers=headers), 422)
    body = json.dumps({**PIECE, "title": "x" * 201, "strange \u0000": 1, "k" * 500: 2})
    problem = check_problem(await client.post("/api/v1/content", content=body, headers=headers), 422)
    places = [error["at"] for error in problem["errors"]]
    assert places == ["body.title", "body.strange \0", f"body.{'k' * 100}"]


@pytest.fixture
async def breaking(settings) -> AsyncIterator[httpx2.AsyncClient]:
    """The application, with two routes that fail."""
    app = create_app(settings)

    @app.get("/breaks")
    async def breaks() -> None:
        raise RuntimeError("canary-secret in an exception")

    @app.get("/breaks-sql")
    async def breaks_sql(caller: Caller) -> None:
        caller.email = "canary-secret\0"

    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://api") as client:
            yield client


async def test_an_error_of_ours_is_a_500_that_tells_nothing_and_a_log_that_tells_all(breaking, caplog) -> None:
    answer = await breaking.get("/breaks", headers={"X-Request-Id": "find-me"})
    problem = check_problem(answer, 500)
    assert "canary" not in answer.text
    assert problem["request_id"] == "find-me"
    assert "RuntimeError" in caplog.text


async def test_a_commit_that_fails_is_not_answered_as_a_success(breaking, team, caplog) -> None:
    answer = await breaking.get("/breaks-sql", headers=team.editor.headers)
    check_problem(answer, 500)
    assert "canary-secret" not in answer.text + caplog.text


@pytest.fixture
def unreachable(settings) -> Iterator[FastAPI]:
    return create_app(
        settings.model_copy(update={"postgres_app_url": SecretStr("postgresql://nobody:canary@127.0.0.1:1/none")})
    )


async def test_without_a_database_requests_are_503_and_come_again(unreachable, app, team, caplog) -> None:
    async with unreachable.router.lifespan_context(unreachable):
        assert isinstance(unreachable.state.doors.tokens, Tokens)
        transport = httpx2.ASGITransport(app=unreachable)
        async with httpx2.AsyncClient(transport=transport, base_url="http://api") as client:
            answers = await asyncio.gather(
                client.get("/api/v1/me", headers=team.editor.headers),
                client.post("/api/v1/auth/token", data={"username": "a@b.example", "password": "x"}),
                client.get("/readyz"),
            )
            assert (await client.get("/healthz")).json() == {"status": "ok"}
    for answer in answers:
        check_problem(answer, 503)
        assert answer.headers["retry-after"] == "1"
        assert "canary" not in answer.text + caplog.text


async def test_a_ready_service_says_so(client) -> None:
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_what_people_mix_up_is_told_apart_and_what_to_do_is_said(client, team) -> None:
    async def said(method: str, path: str, **request: Any) -> str:
        return str((await client.request(method, f"/api/v1{path}", **request)).json())

    form = {"username": team.editor.email, "password": "correct horse battery staple"}
    signed = (await client.post("/api/v1/auth/token", data=form)).json()
    invite = {"email": "nobody", "role": "viewer"}
    refresh, write_key = signed["refresh_token"], "twk_" + "a" * 43
    assert "must be a form" in await said("POST", "/auth/token", json=form)
    assert "'this email address" in await said("POST", "/invitations", json=invite, headers=team.org_admin.headers)
    for token, hint in ((refresh, "/auth/refresh"), (write_key, "only sends events")):
        assert hint in await said("GET", "/me", headers={"Authorization": f"Bearer {token}"})
    link = {"token": "http://web/accept-invitation#twi_" + "a" * 64, "password": "seven purple horses"}
    assert "begins with twi_ and has 68 characters" in await said("POST", "/invitations/accept", json=link)
