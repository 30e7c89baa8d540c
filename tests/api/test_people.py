"""Organizations, users, invitations: who comes in, as what, and who is let go."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import suppress

import asyncpg
import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.auth.rules import RANKS
from api.users.profile import DEEPEST, MOST_BYTES, within_bounds
from wire.ids import new_id

NEW_PASSWORD = "seven purple horses on a roof"


@pytest.fixture
async def as_app(settings) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(settings.postgres_app_url.get_secret_value())
    yield connection
    await connection.close()


async def audited(superuser, team, action: str) -> list[dict]:
    rows = await superuser.fetch(
        "SELECT entry FROM audit_entries WHERE organization_id = $1 ORDER BY sequence", team.id
    )
    return [entry for row in rows if (entry := json.loads(row["entry"]))["action"] == action]


async def change(client, by, whom, **changes):
    return await client.patch(f"/api/v1/users/{whom.id}", json=changes, headers=by.headers)


async def invite(client, by, email: str, role: str = "editor"):
    return await client.post("/api/v1/invitations", json={"email": email, "role": role}, headers=by.headers)


async def accept(client, token: str, password: str = NEW_PASSWORD, **more):
    return await client.post("/api/v1/invitations/accept", json={"token": token, "password": password, **more})


async def sign_in(client, email: str, password: str):
    return await client.post("/api/v1/auth/token", data={"username": email, "password": password})


async def test_whoever_accepts_an_invitation_is_a_user_of_its_role_and_can_sign_in(client, team, superuser) -> None:
    email = f"grace.{new_id()}@people.example"
    made = await invite(client, team.org_admin, email.upper(), "approver")
    assert made.status_code == 201
    assert made.json()["link"].endswith(f"/accept-invitation#{made.json()['token']}")
    joined = await accept(client, made.json()["token"], profile={"name": "Grace"})
    assert joined.status_code == 201
    user = joined.json()
    assert (user["email"], user["role"], user["status"]) == (email, "approver", "active")
    assert (user["organization_id"], user["profile"], user["last_login"]) == (str(team.id), {"name": "Grace"}, None)
    assert (await sign_in(client, email, NEW_PASSWORD)).status_code == 200
    assert [entry["details"] for entry in await audited(superuser, team, "invitation.made")] == [
        {"email": email, "role": "approver"}
    ]
    assert [entry["actor_id"] for entry in await audited(superuser, team, "invitation.accepted")] == [user["id"]]


async def test_a_link_is_good_once_whoever_is_first(client, team, superuser) -> None:
    made = (await invite(client, team.org_admin, f"{new_id()}@people.example")).json()
    answers = await asyncio.gather(*(accept(client, made["token"]) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [201, 401, 401, 401, 401]
    assert await superuser.fetchval("SELECT count(*) FROM users WHERE email = $1", made["email"]) == 1


async def test_a_link_that_was_replaced_revoked_or_is_too_old_does_not_hold(client, team, superuser) -> None:
    email = f"{new_id()}@people.example"
    replaced = (await invite(client, team.org_admin, email)).json()
    revoked = (await invite(client, team.org_admin, email)).json()
    await client.delete(f"/api/v1/invitations/{revoked['id']}", headers=team.org_admin.headers)
    old = (await invite(client, team.org_admin, email)).json()
    await superuser.execute("UPDATE invitations SET expires_at = now() WHERE id = $1", old["id"])
    of_another = "twi_" + old["token"][4:][::-1]
    for token in (replaced["token"], revoked["token"], old["token"], of_another, "twi_", "nothing", "twi_\u00e9"):
        assert (await accept(client, token)).status_code == 401
    assert await superuser.fetchval("SELECT count(*) FROM users WHERE email = $1", email) == 0


async def test_the_token_of_a_link_is_nowhere_but_in_the_one_answer(client, team, superuser, caplog) -> None:
    made = (await invite(client, team.org_admin, f"{new_id()}@people.example")).json()
    listed = await client.get("/api/v1/invitations", headers=team.org_admin.headers)
    assert made["id"] in listed.text
    stored = await superuser.fetchval("SELECT i::text FROM invitations AS i WHERE id = $1", made["id"])
    trail = await superuser.fetchval("SELECT string_agg(entry, '') FROM audit_entries")
    assert not [text for text in (listed.text, stored, trail, caplog.text) if made["token"] in text]
    assert "hash" not in listed.text


@pytest.mark.parametrize(
    "email", ["canary", "canary@", "canary@acme", "a canary@acme.example", "canary\0@acme.example"]
)
async def test_what_is_no_address_is_422_and_is_not_repeated(client, team, email) -> None:
    answer = await invite(client, team.org_admin, email)
    assert answer.status_code == 422
    assert "canary" not in answer.text


async def test_an_address_that_is_in_use_cannot_join_twice(client, team, strangers, superuser) -> None:
    assert (await invite(client, team.org_admin, team.editor.email)).status_code == 409
    made = (await invite(client, team.org_admin, strangers.editor.email)).json()
    assert (await accept(client, made["token"])).status_code == 409
    assert await superuser.fetchval("SELECT accepted_at FROM invitations WHERE id = $1", made["id"]) is None


@pytest.mark.parametrize("password", ["short", "aaaaaaaaaaaaaaaaaaaa", "Password123456", "tallywiretallywire"])
async def test_a_weak_password_is_refused_and_the_link_still_holds(client, team, password) -> None:
    made = (await invite(client, team.org_admin, f"{new_id()}@people.example")).json()
    refused = await accept(client, made["token"], password)
    assert refused.status_code == 422
    assert password not in refused.text
    assert (await accept(client, made["token"])).status_code == 201


async def test_nobody_gives_or_takes_a_role_above_their_own(client, team, superuser) -> None:
    assert (await invite(client, team.org_admin, "boss@people.example", "super_admin")).status_code == 403
    assert (await change(client, team.org_admin, team.editor, role="super_admin")).status_code == 403
    assert (await change(client, team.org_admin, team.super_admin, role="viewer")).status_code == 403
    assert (await change(client, team.org_admin, team.super_admin, status="suspended")).status_code == 403
    address = f"/api/v1/users/{team.super_admin.id}"
    assert (await client.post(f"{address}/password-reset", headers=team.org_admin.headers)).status_code == 403
    assert (await client.delete(f"{address}/second-factor", headers=team.org_admin.headers)).status_code == 403
    roles = await superuser.fetch("SELECT role FROM users WHERE organization_id = $1", team.id)
    assert sorted(row["role"] for row in roles) == sorted(RANKS)
    assert (await change(client, team.super_admin, team.editor, role="super_admin")).status_code == 200


async def test_the_last_administrator_stays_one(client, team) -> None:
    for changes in ({"role": "editor"}, {"status": "suspended"}, {"status": "inactive"}):
        assert (await change(client, team.super_admin, team.org_admin, **changes)).status_code == 409
    assert (await change(client, team.org_admin, team.editor, role="org_admin")).status_code == 200
    assert (await change(client, team.org_admin, team.org_admin, role="viewer")).status_code == 200
    assert (await change(client, team.editor, team.editor, status="inactive")).status_code == 409


async def test_two_administrators_who_demote_each_other_at_once_leave_one(client, team, superuser) -> None:
    await change(client, team.org_admin, team.editor, role="org_admin")
    answers = await asyncio.gather(
        change(client, team.org_admin, team.editor, role="viewer"),
        change(client, team.editor, team.org_admin, role="viewer"),
    )
    assert min(answer.status_code for answer in answers) == 200
    left = "SELECT count(*) FROM users WHERE organization_id = $1 AND role = 'org_admin'"
    assert await superuser.fetchval(left, team.id) == 1


async def test_a_change_tells_the_trail_what_it_was_and_is(client, team, superuser) -> None:
    assert (await change(client, team.org_admin, team.viewer, role="editor", profile={"a": 1})).status_code == 200
    assert (await change(client, team.org_admin, team.viewer, role="editor")).status_code == 200
    (entry,) = await audited(superuser, team, "user.role_changed")
    assert (entry["actor_id"], entry["subject_id"]) == (str(team.org_admin.id), str(team.viewer.id))
    assert entry["details"] == {"from": "viewer", "to": "editor"}
    assert [one["details"] for one in await audited(superuser, team, "user.profile_changed")] == [{}]


async def test_whoever_is_suspended_is_out_at_once_and_signs_in_anew_when_back(client, team) -> None:
    signed = (await sign_in(client, team.editor.email, "correct horse battery staple")).json()
    headers = {"Authorization": f"Bearer {signed['access_token']}"}
    assert (await client.get("/api/v1/me", headers=headers)).status_code == 200
    assert (await change(client, team.org_admin, team.editor, status="suspended")).status_code == 200
    assert (await client.get("/api/v1/me", headers=headers)).status_code == 401
    assert (await change(client, team.org_admin, team.editor, status="active")).status_code == 200
    assert (await client.get("/api/v1/me", headers=headers)).status_code == 401
    again = {"refresh_token": signed["refresh_token"]}
    assert (await client.post("/api/v1/auth/refresh", json=again)).status_code == 401


async def test_users_are_listed_by_page_role_and_status(client, team) -> None:
    async def ids(**query: object) -> list[str]:
        answer = await client.get("/api/v1/users", params=query, headers=team.viewer.headers)
        assert answer.json()["total"] >= len(answer.json()["items"])
        return [user["id"] for user in answer.json()["items"]]

    everybody = [str(person.id) for person in team.people.values()]
    assert await ids() == everybody
    assert await ids(limit=2, page=2) == everybody[2:4]
    assert await ids(role="editor") == [str(team.editor.id)]
    assert await ids(status="suspended") == []
    assert (await client.get("/api/v1/users?role=king", headers=team.viewer.headers)).status_code == 400


def nested(depth: int) -> object:
    made: object = {}
    for _ in range(depth - 1):
        made = {"in": made}
    return made


@pytest.mark.parametrize(
    "profile",
    [
        {"text": "x" * MOST_BYTES},
        {"text": "\u20ac" * (MOST_BYTES // 3)},
        nested(DEEPEST + 1),
        {"nul": "\0"},
        {"\0": 1},
        [],
        "text",
        None,
    ],
)
async def test_a_profile_that_is_too_large_too_deep_or_no_object_is_400(client, team, profile) -> None:
    answer = await client.patch("/api/v1/me", json={"profile": profile}, headers=team.viewer.headers)
    assert answer.status_code == 400


@pytest.mark.parametrize("text", ['{"profile": {"n": NaN}}', '{"profile": ' + "[" * 50_000 + "]" * 50_000 + "}"])
async def test_what_python_would_read_and_json_is_not_breaks_nothing(client, team, text) -> None:
    headers = {**team.viewer.headers, "Content-Type": "application/json"}
    assert (await client.patch("/api/v1/me", content=text, headers=headers)).status_code == 400


async def test_a_profile_within_the_limits_comes_back_as_it_was_sent(client, team) -> None:
    whole = {"deep": nested(DEEPEST - 1), "text": "\u20ac" * 5000, "number": 1.5, "list": [None, True, "x"]}
    answer = await client.patch("/api/v1/me", json={"profile": whole}, headers=team.viewer.headers)
    assert (answer.status_code, answer.json()["profile"]) == (200, whole)


JSON = st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=5), st.lists, max_leaves=5)


@hypothesis.settings(max_examples=50)
@given(st.dictionaries(st.text(max_size=5), JSON, max_size=3))
def test_a_profile_that_is_taken_is_json_that_postgresql_can_keep(profile) -> None:
    with suppress(ValueError):
        text = json.dumps(within_bounds(profile), allow_nan=False, ensure_ascii=False)
        assert "\\u0000" not in text
        text.encode()


@pytest.mark.parametrize("field", ["id", "email", "organization_id", "password_hash", "last_login", "created_at"])
async def test_no_other_field_of_a_user_can_be_written(client, team, field) -> None:
    for path, by in ((f"/api/v1/users/{team.viewer.id}", team.org_admin), ("/api/v1/me", team.viewer)):
        body = {"profile": {}, field: "x"}
        assert (await client.patch(path, json=body, headers=by.headers)).status_code == 400
    assert (
        await client.patch("/api/v1/me", json={"role": "org_admin"}, headers=team.viewer.headers)
    ).status_code == 400


async def test_an_organization_is_shown_and_renamed(client, team, superuser) -> None:
    address = f"/api/v1/organizations/{team.id}"
    assert (await client.get(address, headers=team.viewer.headers)).json()["slug"] == f"team-{team.id}"
    renamed = await client.patch(address, json={"name": " ACME "}, headers=team.org_admin.headers)
    assert (renamed.status_code, renamed.json()["name"]) == (200, "ACME")
    (entry,) = await audited(superuser, team, "organization.renamed")
    assert entry["details"] == {"from": f"team-{team.id}", "to": "ACME"}


async def test_a_super_admin_makes_an_organization_whose_first_administrator_is_invited(
    client, team, superuser
) -> None:
    email = f"{new_id()}@new.example"
    body = {"name": "New Funds Ltd.", "slug": f"new-{new_id()}", "admin_email": email}
    made = await client.post("/api/v1/organizations", json=body, headers=team.super_admin.headers)
    assert made.status_code == 201
    joined = (await accept(client, made.json()["token"])).json()
    assert (joined["organization_id"], joined["role"]) == (made.json()["id"], "org_admin")
    again = await client.post("/api/v1/organizations", json=body, headers=team.super_admin.headers)
    assert again.status_code == 409
    assert len(await audited(superuser, team, "organization.created")) == 1
    trail = await superuser.fetch("SELECT entry FROM audit_entries WHERE organization_id = $1", made.json()["id"])
    assert {json.loads(row["entry"])["action"] for row in trail} == {
        "organization.created",
        "invitation.made",
        "invitation.accepted",
    }


async def test_a_super_admin_lists_every_organization_page_by_page(client, team, strangers, superuser) -> None:
    seen: list[str] = []
    for number in itertools.count(1):
        query = {"limit": 7, "page": number}
        page = (await client.get("/api/v1/organizations", params=query, headers=team.super_admin.headers)).json()
        seen += [one["id"] for one in page["items"]]
        if len(page["items"]) < 7:
            break
        assert page["total"] > 7 * (number - 1)
    assert seen == [str(row["id"]) for row in await superuser.fetch("SELECT id FROM organizations ORDER BY id")]
    assert {str(team.id), str(strangers.id)} <= set(seen)


async def test_plain_sql_of_the_serving_role_cannot_do_what_no_route_does(as_app, team) -> None:
    await as_app.execute("SELECT set_config('app.listing', 'on', false)")
    assert await as_app.fetchval("SELECT count(*) FROM organizations") == 0
    await as_app.execute("SELECT set_config('app.organization_id', $1, false)", str(team.id))
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await as_app.fetch("SELECT * FROM organizations_for($1, 0, 9)", team.org_admin.id)
    for forbidden in (
        "SELECT password_hash FROM users",
        "UPDATE users SET email = 'x@y.example'",
        "DELETE FROM users",
        "UPDATE organizations SET slug = 'other'",
        "UPDATE api_keys SET scopes = '{}'",
        "UPDATE sessions SET expires_at = now() + interval '1 year'",
        "UPDATE invitations SET role = 'super_admin'",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await as_app.execute(forbidden)
