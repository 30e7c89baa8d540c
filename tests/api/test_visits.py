"""A super_admin in another organization: explicit, audited in both, and never as a member."""

import json

import pytest

from wire.ids import new_id

HEADER = "X-Tallywire-Organization"


def visiting(person, organization_id) -> dict[str, str]:
    return {**person.headers, HEADER: str(organization_id)}


async def entries(superuser, organization_id) -> list[dict]:
    rows = await superuser.fetch(
        "SELECT entry FROM audit_entries WHERE organization_id = $1 ORDER BY sequence", organization_id
    )
    return [json.loads(row["entry"]) for row in rows]


async def test_a_super_admin_sees_another_organization_only_by_naming_it(client, team, strangers) -> None:
    address = f"/api/v1/users/{strangers.viewer.id}"
    assert (await client.get(address, headers=team.super_admin.headers)).status_code == 404
    visited = await client.get(address, headers=visiting(team.super_admin, strangers.id))
    assert (visited.status_code, visited.json()["organization_id"]) == (200, str(strangers.id))
    own = f"/api/v1/users/{team.viewer.id}"
    assert (await client.get(own, headers=visiting(team.super_admin, strangers.id))).status_code == 404


async def test_both_trails_tell_of_a_visit_even_of_one_that_found_nothing(client, team, strangers, superuser) -> None:
    path = f"/api/v1/content/{new_id()}"
    assert (await client.get(path, headers=visiting(team.super_admin, strangers.id))).status_code == 404
    (left,) = await entries(superuser, team.id)
    (entered,) = await entries(superuser, strangers.id)
    assert left["actor_id"] == entered["actor_id"] == str(team.super_admin.id)
    assert (left["action"], left["subject_id"]) == ("organization.entered", str(strangers.id))
    assert (entered["action"], entered["details"]) == (
        "organization.entered_by_super_admin",
        {"request": f"GET {path}", "from_organization_id": str(team.id)},
    )


async def test_a_visitor_administers(client, team, strangers, superuser) -> None:
    headers = visiting(team.super_admin, strangers.id)
    address = f"/api/v1/users/{strangers.editor.id}"
    assert (await client.patch(address, json={"role": "org_admin"}, headers=headers)).status_code == 200
    body = {"email": f"{new_id()}@people.example", "role": "viewer"}
    assert (await client.post("/api/v1/invitations", json=body, headers=headers)).status_code == 201
    assert [entry["action"] for entry in await entries(superuser, strangers.id)] == [
        "organization.entered_by_super_admin",
        "user.role_changed",
        "organization.entered_by_super_admin",
        "invitation.made",
    ]


async def test_a_visitor_neither_writes_nor_approves_and_has_no_account_there(client, team, strangers) -> None:
    headers = visiting(team.super_admin, strangers.id)
    piece = {"type": "custom", "title": "t"}
    mine = await client.post("/api/v1/content", json=piece, headers=strangers.editor.headers)
    address = f"/api/v1/content/{mine.json()['id']}"
    assert (await client.get(address, headers=headers)).status_code == 200
    for method, path, sent in (
        ("POST", "/api/v1/content", piece),
        ("PUT", address, {"title": "u"}),
        ("POST", f"{address}/submit", None),
        ("POST", "/api/v1/api-keys", {"name": "k", "scopes": []}),
        ("POST", "/api/v1/auth/sign-out-everywhere", None),
        ("GET", "/api/v1/organizations", None),
    ):
        assert (await client.request(method, path, json=sent, headers=headers)).status_code == 403, path


async def test_nobody_else_can_tell_an_organization_from_one_that_does_not_exist(
    client, team, strangers, superuser
) -> None:
    for role in ("org_admin", "editor", "approver", "viewer"):
        answers = [
            await client.get("/api/v1/me", headers={**visiting(team.people[role], id_), "X-Request-Id": "same"})
            for id_ in (strangers.id, new_id())
        ]
        assert [answer.status_code for answer in answers] == [403, 403]
        assert answers[0].content == answers[1].content
    assert await entries(superuser, strangers.id) == []


async def test_an_organization_that_does_not_exist_cannot_be_entered(client, team) -> None:
    assert (await client.get("/api/v1/me", headers=visiting(team.super_admin, new_id()))).status_code == 404
    assert (await client.get("/api/v1/me", headers=visiting(team.super_admin, "x"))).status_code == 400
    at_home = await client.get("/api/v1/me", headers=visiting(team.super_admin, team.id))
    assert (at_home.status_code, at_home.json()["organization_id"]) == (200, str(team.id))


@pytest.mark.parametrize("change", ["role = 'org_admin'", "status = 'suspended'"])
async def test_whoever_is_no_longer_a_super_admin_is_out_of_the_other_organization_at_once(
    client, team, strangers, superuser, change
) -> None:
    await superuser.execute(f"UPDATE users SET {change} WHERE id = $1", team.super_admin.id)
    answer = await client.get("/api/v1/users", headers=visiting(team.super_admin, strangers.id))
    assert answer.status_code in {401, 403}
