"""Every route of the OpenAPI document, with every id in it: asked by nobody, by strangers, by each role.

What a role may is taken from `api/auth/rules.py`, what a route answers from the document. A route that is not in CASES,
or an id that no case knows how to make, fails.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg
import httpx2
import pytest
from fastapi import FastAPI

from api.app import create_app
from api.auth.rules import ROLES, VISITING, Permission
from api.auth.tokens import Tokens
from api.users.models import Role
from wire.ids import new_id
from wire.settings import Settings

PUBLIC = {
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/.well-known/jwks.json"),
    ("POST", "/api/v1/auth/token"),
    ("POST", "/api/v1/auth/refresh"),
    ("POST", "/api/v1/auth/oidc/start"),
    ("POST", "/api/v1/auth/oidc/finish"),
    ("POST", "/api/v1/auth/password-reset"),
    ("POST", "/api/v1/invitations/accept"),
}


@dataclass(frozen=True)
class Case:
    """How a route is asked so that it would answer: `permission` None means every role may.

    `{name}` in the path, the query and the body stands for the id of a row of that kind in `ids`, `{new}` for a new id.
    `owner` is the role whose row it is, where others of the organization are answered `others`; `instead` is what is
    answered where the route does not succeed without more than one request.
    """

    permission: Permission | None = None
    body: Any = None
    ids: Mapping[str, str] = field(default_factory=dict)
    query: str = ""
    owner: str = ""
    others: int = 404
    instead: int = 0
    narrowing: bool = False
    """the ids only narrow a list: with one that is not there it is empty, and that is no error"""


def of(kind: str) -> dict[str, str]:
    return {"id": kind}


def on_draft(**kinds: str) -> dict[str, str]:
    """Rows that belong to a draft, which is made first."""
    return {"id": "draft", **kinds}


PASSWORD = "correct horse battery staple"
PIECE = {"type": "custom", "title": "by a test"}
SAID = {"body": "by a test"}
POLICY = {"type": "custom", "steps": ["approver"]}
TIME = {"scheduled_at": "2999-01-01T00:00:00Z"}
KEY = {"name": "k", "rights": ["events"]}
API_KEY = {"name": "k", "scopes": []}
GUEST = {"email": "{new}@people.example", "role": "viewer"}
NEW_ORGANIZATION = {"name": "n", "slug": "n-{new}", "admin_email": "a@people.example"}
NEW_PASSWORD = {"current_password": PASSWORD, "new_password": "seven purple horses on a roof"}
PROVEN = {"password": PASSWORD}
CASES = {
    ("GET", "/api/v1/me"): Case(),
    ("PATCH", "/api/v1/me"): Case(body={"profile": {"theme": "dark"}}),
    ("PUT", "/api/v1/me/password"): Case(body=NEW_PASSWORD),
    ("POST", "/api/v1/me/second-factor"): Case(body=PROVEN),
    ("POST", "/api/v1/me/second-factor/confirm"): Case(body={"code": "123456"}, instead=409),
    ("POST", "/api/v1/me/second-factor/remove"): Case(body={**PROVEN, "code": "123456"}, instead=404),
    ("POST", "/api/v1/auth/sign-out"): Case(),
    ("POST", "/api/v1/auth/sign-out-everywhere"): Case(),
    ("GET", "/api/v1/sessions"): Case(),
    ("DELETE", "/api/v1/sessions/{id}"): Case(ids=of("session"), owner="super_admin"),
    ("GET", "/api/v1/users"): Case(),
    ("GET", "/api/v1/users/{id}"): Case(ids=of("user")),
    ("PATCH", "/api/v1/users/{id}"): Case(Permission.MANAGE_USERS, {"role": "approver"}, of("user")),
    ("POST", "/api/v1/users/{id}/password-reset"): Case(Permission.MANAGE_USERS, ids=of("user")),
    ("DELETE", "/api/v1/users/{id}/second-factor"): Case(Permission.MANAGE_USERS, ids=of("user"), instead=404),
    ("POST", "/api/v1/invitations"): Case(Permission.MANAGE_USERS, GUEST),
    ("GET", "/api/v1/invitations"): Case(Permission.MANAGE_USERS),
    ("DELETE", "/api/v1/invitations/{id}"): Case(Permission.MANAGE_USERS, ids=of("invitation")),
    ("GET", "/api/v1/organizations"): Case(Permission.CROSS_ORGANIZATIONS),
    ("POST", "/api/v1/organizations"): Case(Permission.CROSS_ORGANIZATIONS, NEW_ORGANIZATION),
    ("GET", "/api/v1/organizations/{id}"): Case(ids=of("organization")),
    ("PATCH", "/api/v1/organizations/{id}"): Case(Permission.RENAME_ORGANIZATION, {"name": "r"}, of("organization")),
    ("POST", "/api/v1/api-keys"): Case(body=API_KEY),
    ("GET", "/api/v1/api-keys"): Case(),
    ("DELETE", "/api/v1/api-keys/{id}"): Case(ids=of("api_key"), owner="super_admin"),
    ("POST", "/api/v1/content"): Case(Permission.CREATE_CONTENT, PIECE),
    ("GET", "/api/v1/content"): Case(
        ids={"creator_id": "editor", "assignee_id": "viewer"},
        query="?creator_id={creator_id}&assignee_id={assignee_id}",
        narrowing=True,
    ),
    ("POST", "/api/v1/content/bulk"): Case(Permission.IMPORT_CONTENT, {"pieces": [{"source_ref": "one", **PIECE}]}),
    ("GET", "/api/v1/content/{id}"): Case(ids=of("draft")),
    ("PUT", "/api/v1/content/{id}"): Case(Permission.EDIT_ANY_CONTENT, {"title": "changed"}, of("draft")),
    ("GET", "/api/v1/content/{id}/stats"): Case(ids=of("draft")),
    ("GET", "/api/v1/content/{id}/readers"): Case(ids=of("draft")),
    ("POST", "/api/v1/content/{id}/submit"): Case(Permission.SUBMIT_CONTENT, ids=of("draft")),
    ("POST", "/api/v1/content/{id}/approve"): Case(Permission.APPROVE_CONTENT, ids=of("pending")),
    ("POST", "/api/v1/content/{id}/reject"): Case(Permission.APPROVE_CONTENT, {"reason": "no"}, of("pending")),
    ("POST", "/api/v1/content/{id}/return"): Case(Permission.SUBMIT_CONTENT, ids=of("pending")),
    ("POST", "/api/v1/content/{id}/publish"): Case(Permission.SUBMIT_CONTENT, ids=of("approved")),
    ("POST", "/api/v1/content/{id}/schedule"): Case(Permission.SUBMIT_CONTENT, TIME, of("approved")),
    ("DELETE", "/api/v1/content/{id}/schedule"): Case(Permission.SUBMIT_CONTENT, ids=of("scheduled")),
    ("POST", "/api/v1/content/{id}/archive"): Case(Permission.SUBMIT_CONTENT, ids=of("draft")),
    ("POST", "/api/v1/content/{id}/restore"): Case(Permission.SUBMIT_CONTENT, ids=of("archived")),
    ("GET", "/api/v1/content/{id}/approvals"): Case(ids=of("draft")),
    ("GET", "/api/v1/content/{id}/revisions"): Case(ids=of("draft")),
    ("GET", "/api/v1/content/{id}/revisions/{first}...{last}"): Case(ids=of("draft")),
    ("GET", "/api/v1/content/{id}/revisions/{number}"): Case(ids=of("draft")),
    ("POST", "/api/v1/content/{id}/revisions/{number}/restore"): Case(Permission.EDIT_ANY_CONTENT, ids=of("draft")),
    ("POST", "/api/v1/content/bulk/actions"): Case(
        body={"action": "assign", "items": [{"id": "{id}"}], "assignee_id": "{assignee_id}"},
        ids=on_draft(assignee_id="viewer"),
        narrowing=True,
    ),
    ("GET", "/api/v1/content/{id}/comments"): Case(ids=of("draft")),
    ("POST", "/api/v1/content/{id}/comments"): Case(
        Permission.COMMENT, {**SAID, "parent_id": "{parent_id}"}, {"id": "draft", "parent_id": "comment"}
    ),
    ("PUT", "/api/v1/content/{id}/comments/{comment_id}"): Case(
        Permission.COMMENT, SAID, on_draft(comment_id="comment"), owner="editor", others=403
    ),
    ("DELETE", "/api/v1/content/{id}/comments/{comment_id}"): Case(
        Permission.COMMENT, ids=on_draft(comment_id="comment"), owner="editor", others=403
    ),
    ("POST", "/api/v1/content/{id}/comments/{comment_id}/resolve"): Case(
        Permission.COMMENT, ids=on_draft(comment_id="comment")
    ),
    ("POST", "/api/v1/content/{id}/comments/{comment_id}/reopen"): Case(
        Permission.COMMENT, ids=on_draft(comment_id="resolved")
    ),
    ("GET", "/api/v1/assignments"): Case(ids={"user_id": "viewer"}, query="?user_id={user_id}", narrowing=True),
    ("GET", "/api/v1/content/{id}/assignees"): Case(ids=of("draft")),
    ("PUT", "/api/v1/content/{id}/assignees/{user_id}"): Case(
        Permission.ASSIGN_CONTENT, {"due_at": TIME["scheduled_at"]}, on_draft(user_id="viewer")
    ),
    ("DELETE", "/api/v1/content/{id}/assignees/{user_id}"): Case(
        Permission.ASSIGN_CONTENT, ids=on_draft(user_id="assignee")
    ),
    ("GET", "/api/v1/audit"): Case(Permission.READ_AUDIT),
    ("GET", "/api/v1/audit/export"): Case(Permission.READ_AUDIT),
    ("GET", "/api/v1/approval-policies"): Case(Permission.MANAGE_POLICIES),
    ("PUT", "/api/v1/approval-policies"): Case(Permission.MANAGE_POLICIES, POLICY),
    ("GET", "/api/v1/accounts"): Case(Permission.READ_INTAKE),
    ("GET", "/api/v1/rejections"): Case(Permission.READ_INTAKE),
    ("GET", "/api/v1/rejections/reasons"): Case(Permission.READ_INTAKE),
    ("GET", "/api/v1/commands"): Case(Permission.MANAGE_COMMANDS),
    ("POST", "/api/v1/commands/{id}/replay"): Case(Permission.MANAGE_COMMANDS, ids=of("command")),
    ("DELETE", "/api/v1/commands/{id}"): Case(Permission.MANAGE_COMMANDS, ids=of("command")),
    ("POST", "/api/v1/write-keys"): Case(Permission.MANAGE_WRITE_KEYS, KEY),
    ("GET", "/api/v1/write-keys"): Case(Permission.MANAGE_WRITE_KEYS),
    ("DELETE", "/api/v1/write-keys/{id}"): Case(Permission.MANAGE_WRITE_KEYS, ids=of("write_key")),
}

NEW_PIECE = ("editor", "/api/v1/content", PIECE)
SUBMITTED = ("editor", "/api/v1/content/{made}/submit", None)
APPROVED = ("approver", "/api/v1/content/{made}/approve", None)
KINDS: dict[str, tuple[tuple[str, str, Any], ...]] = {
    "draft": (NEW_PIECE,),
    "pending": (NEW_PIECE, SUBMITTED),
    "approved": (NEW_PIECE, SUBMITTED, APPROVED),
    "scheduled": (NEW_PIECE, SUBMITTED, APPROVED, ("editor", "/api/v1/content/{made}/schedule", TIME)),
    "archived": (NEW_PIECE, ("editor", "/api/v1/content/{made}/archive", None)),
    "comment": (("editor", "/api/v1/content/{id}/comments", SAID),),
    "resolved": (
        ("editor", "/api/v1/content/{id}/comments", SAID),
        ("editor", "/api/v1/content/{id}/comments/{made}/resolve", None),
    ),
    "write_key": (("super_admin", "/api/v1/write-keys", KEY),),
    "api_key": (("super_admin", "/api/v1/api-keys", API_KEY),),
    "invitation": (("super_admin", "/api/v1/invitations", GUEST),),
}
"""How a row of a kind is made: who posts what where. `{made}` is the id that the first of them answered."""

DOCUMENT = create_app(Settings()).openapi()
OPERATIONS = {
    (method.upper(), path): operation
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
}
CLOSED = sorted(OPERATIONS.keys() - PUBLIC)


def ids_of(route: tuple[str, str]) -> set[str]:
    """The names of all ids that a route takes: in its path, its query, its body. The header is test_visits.py's."""
    operation = OPERATIONS[route]
    asked = {
        one["name"]
        for one in operation.get("parameters", ())
        if "uuid" in json.dumps(one["schema"]) and one["in"] != "header"
    }
    return asked | set(ids_in(operation.get("requestBody", {}), ""))


def ids_in(schema: Any, name: str, seen: tuple[str, ...] = ()) -> Iterator[str]:
    """The properties of a JSON schema, however deep, that hold ids."""
    if isinstance(schema, list):
        for one in schema:
            yield from ids_in(one, name, seen)
    elif isinstance(schema, dict):
        if schema.get("format") == "uuid":
            yield name
        if (ref := schema.get("$ref")) and ref not in seen:
            yield from ids_in(DOCUMENT["components"]["schemas"][ref.rpartition("/")[2]], name, (*seen, ref))
        for key, value in schema.items():
            if key == "properties":
                for inner, of_inner in value.items():
                    yield from ids_in(of_inner, inner, seen)
            elif key != "example":
                yield from ids_in(value, name, seen)


def test_every_route_is_in_the_matrix() -> None:
    assert set(OPERATIONS) == PUBLIC | CASES.keys()


@pytest.mark.parametrize("route", CLOSED, ids=" ".join)
def test_every_id_that_a_route_takes_is_asked_for(route) -> None:
    assert CASES[route].ids.keys() == ids_of(route)


@pytest.fixture(scope="module", autouse=True)
def dead_letters(superuser: asyncpg.Pool) -> None:
    """What no call of the API makes."""

    async def command(team: Any) -> UUID:
        return await superuser.fetchval(
            "INSERT INTO commands_aside (id, organization_id, key, type, body, attempts, reason, detail)"
            " VALUES (uuidv7(), $1, 'k', 't', '', 1, 'r', 'd') RETURNING id",
            team.id,
        )

    OTHERWISE["command"] = command


OTHERWISE: dict[str, Any] = {}
"""Kinds that are not made through the API, but by a function of the team."""


async def make(client: httpx2.AsyncClient, kind: str, team: Any, made_before: Mapping[str, UUID]) -> UUID:
    """A row of this team's, made through the API; a role is the person who has it."""
    if kind in OTHERWISE:
        return await OTHERWISE[kind](team)
    if kind in team.people:
        return UUID(str(team.people[kind].id))
    if kind in {"user", "organization"}:
        return {"user": team.viewer.id, "organization": team.id}[kind]
    if kind == "session":
        form = {"username": team.super_admin.email, "password": PASSWORD}
        token = (await client.post("/api/v1/auth/token", data=form)).json()["access_token"]
        listed = await client.get("/api/v1/sessions", headers={"Authorization": f"Bearer {token}"})
        return UUID(listed.json()[0]["id"])
    if kind == "assignee":
        address = f"/api/v1/content/{made_before['id']}/assignees/{team.viewer.id}"
        assert (await client.put(address, json={}, headers=team.editor.headers)).is_success
        return UUID(str(team.viewer.id))
    made = ""
    for role, address, body in KINDS[kind]:
        headers = team.people[role].headers
        sent = json.loads(json.dumps(body).replace("{new}", str(new_id())))
        answer = await client.post(
            address.replace("{made}", made).replace("{id}", str(made_before.get("id"))), json=sent, headers=headers
        )
        assert answer.is_success, answer.text
        made = made or answer.json()["id"]
    return UUID(made)


async def rows_for(client: httpx2.AsyncClient, route: tuple[str, str], team: Any) -> dict[str, UUID]:
    rows: dict[str, UUID] = {}
    for name, kind in CASES[route].ids.items():
        rows[name] = await make(client, kind, team, rows)
    return rows


async def ask(
    client: httpx2.AsyncClient, route: tuple[str, str], headers: dict[str, str], rows: Mapping[str, UUID]
) -> httpx2.Response:
    method, path = route
    case = CASES[route]
    wanted = json.dumps([path + case.query, case.body])
    for name, row in rows.items():
        wanted = wanted.replace(f"{{{name}}}", str(row))
    address, body = json.loads(wanted.replace("{new}", str(new_id())))
    address = re.sub(r"{\w+}", "1", address)
    return await client.request(method, address, json=body, headers={**headers, "X-Request-Id": "the-same"})


async def everything_of(superuser: asyncpg.Pool, organization_id: UUID) -> dict[str, list[str]]:
    """Every row of the organization, in every table that has an `organization_id`."""
    tables = await superuser.fetch(
        "SELECT table_name FROM information_schema.columns WHERE column_name = 'organization_id'"
        " AND table_schema = 'public'"
    )
    assert {row[0] for row in tables} >= {"users", "content", "approvals", "audit_entries", "outbox"}
    rows = {
        table: await superuser.fetch(f"SELECT t::text FROM {table} t WHERE organization_id = $1", organization_id)
        for (table,) in tables
    }
    return {table: sorted(row[0] for row in of_table) for table, of_table in rows.items()}


def expected(route: tuple[str, str]) -> dict[str, int]:
    """What each role is answered: the success that the document names, or 403."""
    success = int(next(status for status in OPERATIONS[route]["responses"] if status.startswith("2")))
    case = CASES[route]
    allowed = ROLES[case.permission] if case.permission else set(Role)
    answers = {role.value: (case.instead or success) if role in allowed else 403 for role in Role}
    return {role: answer if case.owner in {"", role} else case.others for role, answer in answers.items()}


@pytest.mark.parametrize("route", CLOSED, ids=" ".join)
async def test_each_role_may_what_the_table_of_permissions_says(client, team, route) -> None:
    answered = {}
    for role, person in team.people.items():
        rows = await rows_for(client, route, team)
        answered[role] = (await ask(client, route, person.headers, rows)).status_code
    assert answered == expected(route)


@pytest.mark.parametrize("route", CLOSED, ids=" ".join)
async def test_nobody_and_whoever_signed_in_too_long_ago_is_401(
    client, team, superuser, app: FastAPI, settings, route
) -> None:
    rows = await rows_for(client, route, team)
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
        answer = await ask(client, route, {"Authorization": value} if value is not None else {}, rows)
        assert (name, answer.status_code) == (name, 401)
        assert answer.headers["www-authenticate"] == "Bearer"
    assert await everything_of(superuser, team.id) == before


@pytest.mark.parametrize("status", ["inactive", "suspended"])
@pytest.mark.parametrize("route", CLOSED, ids=" ".join)
async def test_a_user_who_is_no_longer_active_is_out_at_once(client, team, superuser, route, status) -> None:
    rows = await rows_for(client, route, team)
    await superuser.execute("UPDATE users SET status = $1 WHERE id = $2", status, team.org_admin.id)
    assert (await ask(client, route, team.org_admin.headers, rows)).status_code == 401


@pytest.mark.parametrize("route", CLOSED, ids=" ".join)
async def test_another_organization_is_as_if_it_were_not_there(client, team, strangers, superuser, route) -> None:
    theirs = await rows_for(client, route, team)
    own = await rows_for(client, route, strangers)
    before = await everything_of(superuser, team.id)
    canaries = [str(team.id), *(str(one.id) for one in team.people.values())]
    for person in strangers.people.values():
        if person is strangers.super_admin and CASES[route].permission is Permission.CROSS_ORGANIZATIONS:
            continue
        for name in theirs:
            foreign = await ask(client, route, person.headers, {**own, name: theirs[name]})
            never = new_id()
            unknown = await ask(client, route, person.headers, {**own, name: never})
            assert foreign.status_code in {403, 404} or CASES[route].narrowing
            assert (foreign.status_code, blank(foreign, theirs[name])) == (unknown.status_code, blank(unknown, never))
            assert not [canary for canary in canaries if canary in foreign.text]
        if not theirs:
            answer = await ask(client, route, person.headers, {})
            assert not [canary for canary in canaries if canary in answer.text]
    assert await everything_of(superuser, team.id) == before


@pytest.mark.parametrize("route", [route for route in CLOSED if route[0] != "GET"], ids=" ".join)
async def test_neither_a_visitor_nor_a_key_without_scopes_does_what_is_a_member_s(
    client, team, strangers, superuser, route
) -> None:
    """What a visitor may is the permissions of VISITING; a key without scopes changes nothing at all."""
    key = (await client.post("/api/v1/api-keys", json=API_KEY, headers=strangers.super_admin.headers)).json()["key"]
    rows = await rows_for(client, route, strangers)
    before = await everything_of(superuser, strangers.id)
    by_key = await ask(client, route, {"Authorization": f"Bearer {key}"}, rows)
    assert by_key.status_code == 403
    after = await everything_of(superuser, strangers.id)
    assert {**after, "api_keys": []} == {**before, "api_keys": []}, "but for when the key was used last"
    visiting = {**team.super_admin.headers, "X-Tallywire-Organization": str(strangers.id)}
    visit = await ask(client, route, visiting, rows)
    assert visit.is_success or visit.status_code in {403, 404}
    assert visit.status_code != 403 or CASES[route].permission not in VISITING


def blank(answer: httpx2.Response, asked: UUID) -> tuple[bytes, dict[str, str]]:
    """An answer to the letter, but for the id that it was asked with."""
    headers = {name: value.replace(str(asked), "") for name, value in answer.headers.items()}
    return answer.content.replace(str(asked).encode(), b""), headers


async def test_a_token_that_names_another_organization_than_its_user_s_does_not_hold(
    app, client, team, strangers
) -> None:
    forged = app.state.doors.tokens.issue(team.org_admin.id, strangers.id)
    answer = await client.get("/api/v1/me", headers={"Authorization": f"Bearer {forged}"})
    assert answer.status_code == 401
