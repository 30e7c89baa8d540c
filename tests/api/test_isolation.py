"""Every route of `routes.py`, with every id in it: asked by nobody, by strangers, by each role.

A route that is not in CASES, or an id that no case knows how to make, fails.
"""

from typing import Any
from uuid import UUID

import asyncpg
import httpx2
import pytest
from fastapi import FastAPI

from api.auth.rules import ROLES, VISITING, Permission
from api.auth.tokens import Tokens
from api.users.models import Role
from tests.api.routes import API_KEY, CASES, CLOSED, OPERATIONS, PUBLIC, ids_of
from tests.api.rows import OTHERWISE, ask, rows_for
from wire.ids import new_id


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
