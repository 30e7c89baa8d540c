"""Every route of the OpenAPI document, asked by nobody, by strangers and by each role. A new route must be put in."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import httpx2
import pytest
from fastapi import FastAPI

from api.app import create_app
from api.auth.tokens import Tokens
from wire.ids import new_id
from wire.settings import Settings

PUBLIC = {("GET", "/healthz"), ("GET", "/readyz"), ("POST", "/api/v1/auth/token")}
EVERYBODY = {"super_admin": 200, "org_admin": 200, "editor": 200, "approver": 200, "viewer": 200}
EDITORS_CREATE = {"super_admin": 201, "org_admin": 201, "editor": 201, "approver": 403, "viewer": 403}
EDITORS = {"super_admin": 200, "org_admin": 200, "editor": 200, "approver": 403, "viewer": 403}
APPROVERS = {"super_admin": 200, "org_admin": 200, "editor": 403, "approver": 200, "viewer": 403}
ADMINS = {"super_admin": 200, "org_admin": 200, "editor": 403, "approver": 403, "viewer": 403}


@dataclass(frozen=True)
class Case:
    """How a route is asked so that it would answer, what it answers to each role, and what the path's id is of."""

    expected: dict[str, int]
    body: Any = None
    id: str = ""


PIECE = {"type": "custom", "title": "by a test"}
CASES = {
    ("GET", "/api/v1/me"): Case(EVERYBODY),
    ("POST", "/api/v1/content"): Case(EDITORS_CREATE, PIECE),
    ("GET", "/api/v1/content"): Case(EVERYBODY),
    ("POST", "/api/v1/content/bulk"): Case(ADMINS, {"pieces": [{"source_ref": "one", **PIECE}]}),
    ("GET", "/api/v1/content/{id}"): Case(EVERYBODY, id="content"),
    ("PUT", "/api/v1/content/{id}"): Case(EDITORS, {"title": "changed"}, id="content"),
    ("GET", "/api/v1/content/{id}/stats"): Case(EVERYBODY, id="content"),
    ("POST", "/api/v1/content/{id}/submit"): Case(EDITORS, id="content"),
    ("POST", "/api/v1/content/{id}/approve"): Case(APPROVERS, id="pending"),
    ("POST", "/api/v1/content/{id}/reject"): Case(APPROVERS, {"reason": "no"}, id="pending"),
    ("POST", "/api/v1/content/{id}/return"): Case(EDITORS, id="pending"),
    ("POST", "/api/v1/content/{id}/publish"): Case(
        {**EDITORS, "super_admin": 202, "org_admin": 202, "editor": 202}, id="approved"
    ),
    ("POST", "/api/v1/content/{id}/archive"): Case(EDITORS, id="content"),
    ("POST", "/api/v1/content/{id}/restore"): Case(EDITORS, id="archived"),
    ("GET", "/api/v1/content/{id}/approvals"): Case(EVERYBODY, id="content"),
    ("GET", "/api/v1/content/{id}/revisions"): Case(EVERYBODY, id="content"),
    ("GET", "/api/v1/content/{id}/revisions/{first}...{last}"): Case(EVERYBODY, id="content"),
    ("GET", "/api/v1/content/{id}/revisions/{number}"): Case(EVERYBODY, id="content"),
    ("GET", "/api/v1/audit"): Case(ADMINS),
    ("GET", "/api/v1/approval-policies"): Case(ADMINS),
    ("PUT", "/api/v1/approval-policies"): Case(ADMINS, {"type": "custom", "steps": ["approver"]}),
    ("POST", "/api/v1/write-keys"): Case(
        {**ADMINS, "super_admin": 201, "org_admin": 201}, {"name": "k", "rights": ["events"]}
    ),
    ("GET", "/api/v1/write-keys"): Case(ADMINS),
    ("DELETE", "/api/v1/write-keys/{id}"): Case({**ADMINS, "super_admin": 204, "org_admin": 204}, id="write_keys"),
}

STEPS = {
    "content": (),
    "pending": (("submit", "editor"),),
    "approved": (("submit", "editor"), ("approve", "approver")),
    "archived": (("archive", "editor"),),
}
"""How a piece comes to the state that a route needs."""


def routes() -> Iterator[tuple[str, str]]:
    for path, operations in create_app(Settings()).openapi()["paths"].items():
        for method in operations:
            yield method.upper(), path


CLOSED = sorted(set(routes()) - PUBLIC)


def test_every_route_is_in_the_matrix() -> None:
    assert set(routes()) == PUBLIC | CASES.keys()


async def make_row(client: httpx2.AsyncClient, kind: str, team: Any) -> UUID | None:
    """A row of this team's, made through the API."""
    if kind in STEPS:
        answer = await client.post("/api/v1/content", json=PIECE, headers=team.editor.headers)
        for action, role in STEPS[kind]:
            address = f"/api/v1/content/{answer.json()['id']}/{action}"
            assert (await client.post(address, headers=team.people[role].headers)).is_success
    elif kind == "write_keys":
        body = {"name": "canary", "rights": ["events"]}
        answer = await client.post("/api/v1/write-keys", json=body, headers=team.super_admin.headers)
    else:
        return None
    return UUID(answer.json()["id"])


async def ask(
    client: httpx2.AsyncClient, route: tuple[str, str], headers: dict[str, str], row: UUID | None
) -> httpx2.Response:
    method, path = route
    for name in ("{first}", "{last}", "{number}"):
        path = path.replace(name, "1")
    headers = {**headers, "X-Request-Id": "the-same"}
    return await client.request(method, path.replace("{id}", str(row)), json=CASES[route].body, headers=headers)


async def everything_of(superuser: asyncpg.Pool, organization_id: UUID) -> dict[str, list[str]]:
    tables = ("users", "content", "write_keys", "outbox")
    return {
        table: [
            str(row[0])
            for row in await superuser.fetch(
                f"SELECT t::text FROM {table} t WHERE organization_id = $1 ORDER BY id", organization_id
            )
        ]
        for table in tables
    }


@pytest.mark.parametrize("route", CLOSED, ids=" ".join)
async def test_each_role_may_what_the_table_says(client, team, route) -> None:
    answered = {}
    for role, person in team.people.items():
        row = await make_row(client, CASES[route].id, team)
        answered[role] = (await ask(client, route, person.headers, row)).status_code
    assert answered == CASES[route].expected


@pytest.mark.parametrize("route", CLOSED, ids=" ".join)
async def test_nobody_and_whoever_signed_in_too_long_ago_is_401(
    client, team, superuser, app: FastAPI, settings, route
) -> None:
    row = await make_row(client, CASES[route].id, team)
    before = await everything_of(superuser, team.id)
    person = team.org_admin
    stale = Tokens(app.state.doors.tokens._keys, now=lambda: 1_700_000_000)
    tokens = {
        "none": None,
        "empty": "Bearer ",
        "basic": "Basic b3JnX2FkbWluOnB3",
        "garbage": "Bearer not.a.token",
        "expired": f"Bearer {stale.issue(person.id, person.organization_id)}",
        "of nobody": f"Bearer {app.state.doors.tokens.issue(new_id(), person.organization_id)}",
    }
    for name, value in tokens.items():
        answer = await ask(client, route, {"Authorization": value} if value is not None else {}, row)
        assert (name, answer.status_code) == (name, 401)
        assert answer.headers["www-authenticate"] == "Bearer"
    assert await everything_of(superuser, team.id) == before


@pytest.mark.parametrize("status", ["inactive", "suspended"])
@pytest.mark.parametrize("route", CLOSED, ids=" ".join)
async def test_a_user_who_is_no_longer_active_is_out_at_once(client, team, superuser, route, status) -> None:
    row = await make_row(client, CASES[route].id, team)
    await superuser.execute("UPDATE users SET status = $1 WHERE id = $2", status, team.org_admin.id)
    assert (await ask(client, route, team.org_admin.headers, row)).status_code == 401


@pytest.mark.parametrize("route", CLOSED, ids=" ".join)
async def test_another_organization_is_as_if_it_were_not_there(client, team, strangers, superuser, route) -> None:
    row = await make_row(client, CASES[route].id, team)
    before = await everything_of(superuser, team.id)
    for person in strangers.people.values():
        answer = await ask(client, route, person.headers, row)
        if row is not None:
            unknown = await ask(client, route, person.headers, new_id())
            assert answer.status_code in {403, 404}
            assert (answer.status_code, answer.content) == (unknown.status_code, unknown.content)
        canaries = [str(team.id), *(str(one.id) for one in team.people.values()), *([str(row)] if row else [])]
        assert not [canary for canary in canaries if canary in answer.text]
    assert await everything_of(superuser, team.id) == before


async def test_a_token_that_names_another_organization_than_its_user_s_does_not_hold(
    app, client, team, strangers
) -> None:
    forged = app.state.doors.tokens.issue(team.org_admin.id, strangers.id)
    answer = await client.get("/api/v1/me", headers={"Authorization": f"Bearer {forged}"})
    assert answer.status_code == 401
