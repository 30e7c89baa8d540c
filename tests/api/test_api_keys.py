"""Personal API keys: never more than their scopes, never more than their owner."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import asyncpg
import pytest

from api.auth.rules import ROLES, Permission, scope_of

PIECE = {"type": "custom", "title": "t"}


async def make_key(client, person, *scopes: str, days: int = 1):
    body = {"name": "k", "scopes": list(scopes), "expires_in_days": days}
    return await client.post("/api/v1/api-keys", json=body, headers=person.headers)


async def key_of(client, person, *scopes: str) -> dict[str, str]:
    made = await make_key(client, person, *scopes)
    assert made.status_code == 201
    return {"Authorization": f"Bearer {made.json()['key']}"}


async def test_a_key_is_shown_once_and_acts_as_its_owner(client, team, superuser, caplog) -> None:
    made = (await make_key(client, team.editor, "create_content")).json()
    assert made["key"].startswith("twp_")
    headers = {"Authorization": f"Bearer {made['key']}"}
    created = await client.post("/api/v1/content", json=PIECE, headers=headers)
    assert (created.status_code, created.json()["creator_id"]) == (201, str(team.editor.id))
    listed = await client.get("/api/v1/api-keys", headers=team.editor.headers)
    assert listed.json()[0]["last_used_at"] is not None
    stored = await superuser.fetchval("SELECT k::text FROM api_keys AS k WHERE id = $1", made["id"])
    trail = await superuser.fetchval("SELECT string_agg(entry, '') FROM audit_entries")
    assert not [text for text in (listed.text, stored, trail, caplog.text) if made["key"] in text]
    others = await client.get("/api/v1/api-keys", headers=team.org_admin.headers)
    assert others.json() == []


async def test_a_key_may_what_its_scopes_say_and_nothing_else(client, team) -> None:
    headers = await key_of(client, team.org_admin, "manage_write_keys")
    key = {"name": "k", "rights": ["events"]}
    assert (await client.post("/api/v1/write-keys", json=key, headers=headers)).status_code == 201
    for method, path, body in (
        ("POST", "/api/v1/content", PIECE),
        ("GET", "/api/v1/audit", None),
        ("POST", "/api/v1/invitations", {"email": "a@b.example", "role": "viewer"}),
        ("PATCH", f"/api/v1/users/{team.viewer.id}", {"role": "editor"}),
    ):
        assert (await client.request(method, path, json=body, headers=headers)).status_code == 403


async def test_a_key_without_scopes_only_reads(client, team) -> None:
    piece = (await client.post("/api/v1/content", json=PIECE, headers=team.editor.headers)).json()
    headers = await key_of(client, team.editor)
    address = f"/api/v1/content/{piece['id']}"
    assert (await client.get(address, headers=headers)).status_code == 200
    assert (await client.get(f"{address}/stats", headers=headers)).status_code == 200
    assert (await client.put(address, json={"title": "u"}, headers=headers)).status_code == 403
    assert (await client.post(f"{address}/submit", headers=headers)).status_code == 403


@pytest.mark.parametrize("role", ["org_admin", "editor", "approver", "viewer"])
async def test_no_key_has_a_scope_that_its_owner_does_not_have(client, team, role) -> None:
    person = team.people[role]
    for permission in Permission:
        expected = 201 if role in ROLES[permission] else 403
        assert (await make_key(client, person, scope_of(permission))).status_code == expected
    assert (await make_key(client, person, "everything")).status_code == 422


async def test_a_key_loses_what_its_owner_loses_at_once(client, team, superuser) -> None:
    headers = await key_of(client, team.editor, "create_content")
    await superuser.execute("UPDATE users SET role = 'viewer' WHERE id = $1", team.editor.id)
    assert (await client.post("/api/v1/content", json=PIECE, headers=headers)).status_code == 403
    assert (await client.get("/api/v1/me", headers=headers)).status_code == 200
    await superuser.execute("UPDATE users SET status = 'suspended' WHERE id = $1", team.editor.id)
    assert (await client.get("/api/v1/me", headers=headers)).status_code == 401


async def test_a_key_that_was_revoked_or_is_too_old_or_nobody_s_is_401(client, team, superuser) -> None:
    made = [(await make_key(client, team.editor)).json() for _ in range(2)]
    await client.delete(f"/api/v1/api-keys/{made[0]['id']}", headers=team.editor.headers)
    await superuser.execute("UPDATE api_keys SET expires_at = now() WHERE id = $1", made[1]["id"])
    for key in (made[0]["key"], made[1]["key"], "twp_", "twp_" + "A" * 64, "twp_\u00e9".encode().decode("latin-1")):
        answer = await client.get("/api/v1/me", headers={"Authorization": f"Bearer {key}".encode("latin-1")})
        assert answer.status_code == 401


@pytest.fixture
def three_keys(app) -> Iterator[None]:
    """At most three of one user at once."""
    doors = app.state.doors
    app.state.doors = replace(doors, most_api_keys=3)
    yield
    app.state.doors = doors


@pytest.mark.usefixtures("three_keys")
async def test_one_has_so_many_keys_at_once_and_one_that_is_over_counts_no_more(client, team) -> None:
    made = await asyncio.gather(*(make_key(client, team.editor) for _ in range(5)))
    assert sorted(answer.status_code for answer in made) == [201, 201, 201, 409, 409]
    refused = next(answer.json() for answer in made if answer.status_code == 409)
    assert (refused["type"], "3 API keys" in refused["detail"]) == ("urn:tallywire:problem:limit-reached", True)
    over = next(answer.json()["id"] for answer in made if answer.status_code == 201)
    await client.delete(f"/api/v1/api-keys/{over}", headers=team.editor.headers)
    assert (await make_key(client, team.editor)).status_code == 201
    assert (await make_key(client, team.viewer)).status_code == 201


async def test_a_key_touches_neither_keys_nor_the_account_nor_another_organization(client, team, strangers) -> None:
    every_scope = [scope_of(permission) for permission in Permission]
    headers = await key_of(client, team.super_admin, *every_scope)
    for method, path, body in (
        ("POST", "/api/v1/api-keys", {"name": "k", "scopes": []}),
        ("GET", "/api/v1/api-keys", None),
        ("PUT", "/api/v1/me/password", {"current_password": "x", "new_password": "seven purple horses"}),
        ("POST", "/api/v1/me/second-factor", {"password": "x"}),
        ("PATCH", "/api/v1/me", {"profile": {}}),
        ("GET", "/api/v1/sessions", None),
        ("POST", "/api/v1/auth/sign-out-everywhere", None),
    ):
        assert (await client.request(method, path, json=body, headers=headers)).status_code == 403, path
    limited = await key_of(client, team.super_admin, "manage_users")
    visiting = {**limited, "X-Tallywire-Organization": str(strangers.id)}
    assert (await client.get("/api/v1/users", headers=visiting)).status_code == 403


async def test_plain_sql_cannot_widen_a_key(settings, client, team) -> None:
    await key_of(client, team.editor)
    connection = await asyncpg.connect(settings.postgres_app_url.get_secret_value())
    try:
        await connection.execute("SELECT set_config('app.organization_id', $1, false)", str(team.id))
        for forbidden in ("scopes = '{read_audit}'", "user_id = uuidv7()", "expires_at = now() + interval '9 years'"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(f"UPDATE api_keys SET {forbidden}")
    finally:
        await connection.close()
