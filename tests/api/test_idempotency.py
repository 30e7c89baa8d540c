"""Idempotency-Key: the same request again creates nothing more and is answered the same."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID

import asyncpg
import pytest
from pydantic import SecretStr

from api.app import create_app
from api.auth.vault import Vault
from wire.settings import Settings

PIECE = {"type": "custom", "title": "once"}


async def post(client, person, key: str, body=PIECE):
    headers = {**person.headers, "Idempotency-Key": key}
    return await client.post("/api/v1/content", json=body, headers=headers)


async def pieces(superuser: asyncpg.Pool, team) -> int:
    return await superuser.fetchval("SELECT count(*) FROM content WHERE organization_id = $1", team.id)


async def test_the_same_key_and_body_again_is_the_same_answer_and_no_second_piece(client, team, superuser) -> None:
    first = await post(client, team.editor, "key-1")
    again = await post(client, team.editor, "key-1")
    assert (again.status_code, again.content) == (first.status_code, first.content) == (201, first.content)
    assert again.headers["etag"] == first.headers["etag"]
    assert again.headers["content-type"] == first.headers["content-type"]
    assert ("idempotency-replayed" in first.headers, again.headers["idempotency-replayed"]) == (False, "true")
    assert await pieces(superuser, team) == 1
    assert await superuser.fetchval("SELECT count(*) FROM outbox WHERE key = $1", first.json()["id"]) == 1


async def test_it_is_the_same_answer_even_where_the_piece_has_changed_since(client, team) -> None:
    first = await post(client, team.editor, "key-1")
    address = f"/api/v1/content/{first.json()['id']}"
    await client.put(address, json={"title": "changed"}, headers=team.editor.headers)
    assert (await post(client, team.editor, "key-1")).content == first.content


async def test_the_same_key_with_another_body_is_422_and_creates_nothing(client, team, superuser) -> None:
    await post(client, team.editor, "key-1")
    other = await post(client, team.editor, "key-1", {**PIECE, "title": "twice"})
    assert (other.status_code, other.json()["type"]) == (422, "urn:tallywire:problem:invalid")
    assert await pieces(superuser, team) == 1


async def test_a_key_is_its_user_s_own_and_none_is_no_key(client, team, strangers, superuser) -> None:
    for person in (team.editor, team.org_admin, strangers.editor):
        assert (await post(client, person, "key-1")).headers.get("idempotency-replayed") is None
    await client.post("/api/v1/content", json=PIECE, headers=team.editor.headers)
    await client.post("/api/v1/content", json=PIECE, headers=team.editor.headers)
    assert (await pieces(superuser, team), await pieces(superuser, strangers)) == (4, 1)


async def test_of_many_at_once_one_creates_and_the_others_are_told_to_wait_or_told_the_same(
    client, team, superuser
) -> None:
    answers = await asyncio.gather(*(post(client, team.editor, "key-1") for _ in range(8)))
    statuses = {answer.status_code for answer in answers}
    assert statuses <= {201, 409}
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 201}) == 1
    assert {answer.headers["retry-after"] for answer in answers if answer.status_code == 409} <= {"1"}
    assert await pieces(superuser, team) == 1


async def test_while_the_first_is_not_done_the_second_is_409_with_a_time_to_wait(client, team, superuser) -> None:
    scope = f"{team.id} {team.editor.id} key-1"
    async with superuser.acquire() as other, other.transaction():
        await other.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", scope)
        waiting = await post(client, team.editor, "key-1")
    assert (waiting.status_code, waiting.headers["retry-after"]) == (409, "1")
    assert (await post(client, team.editor, "key-1")).status_code == 201


async def test_a_refusal_is_not_kept_so_that_the_request_can_be_mended(client, team, superuser) -> None:
    assert (await post(client, team.viewer, "key-1")).status_code == 403
    assert (await post(client, team.editor, "key-1", {"type": "custom"})).status_code == 422
    assert (await post(client, team.editor, "key-1")).status_code == 201
    assert await pieces(superuser, team) == 1


async def test_after_48_hours_a_key_is_forgotten(client, team, superuser, settings) -> None:
    first = await post(client, team.editor, "key-1")
    await post(client, team.org_admin, "key-2")
    await superuser.execute(
        "UPDATE idempotency_keys SET created_at = now() - interval '49 hours' WHERE user_id = $1", team.editor.id
    )
    again = await post(client, team.editor, "key-1", {**PIECE, "title": "anew"})
    assert again.status_code == 201
    assert UUID(again.json()["id"]) != UUID(first.json()["id"])
    await superuser.execute("UPDATE idempotency_keys SET created_at = now() - interval '49 hours' WHERE key = 'key-1'")
    app = await asyncpg.connect(settings.postgres_app_url.get_secret_value())
    await app.execute("SELECT forget_idempotency_keys()")
    await app.close()
    kept = await superuser.fetch("SELECT key FROM idempotency_keys WHERE organization_id = $1", team.id)
    assert [row["key"] for row in kept] == ["key-2"]


@pytest.mark.parametrize("key", ["", "two words", "ä", "x" * 256])
async def test_a_key_that_is_none_is_400(client, team, superuser, key) -> None:
    headers = {**team.editor.headers, "Idempotency-Key": key.encode()}
    answer = await client.post("/api/v1/content", json=PIECE, headers=list(headers.items()))
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert error["at"] == "header.Idempotency-Key"
    assert error["message"].startswith("must be 1 to 255 letters, digits or signs of ASCII, without spaces")
    assert await pieces(superuser, team) == 0


HANDED_OUT = {
    "invitations": ("org_admin", {"email": "new@team.example", "role": "viewer"}, {"role": "editor"}, "token"),
    "api-keys": ("editor", {"name": "k", "scopes": []}, {"name": "l"}, "key"),
    "write-keys": ("org_admin", {"name": "k", "rights": ["events"]}, {"name": "l"}, "key"),
    "organizations": ("super_admin", {"name": "New", "admin_email": "a@new.example"}, {"name": "Newer"}, "token"),
}
"""What hands out a secret: who may, how, how else, and the secret's field."""


async def make(client, team, what: str, **more: str):
    role, body, _, _ = HANDED_OUT[what]
    headers = {**team.people[role].headers, "Idempotency-Key": "key-1"}
    unique = {"slug": f"s-{team.id}", "admin_email": f"a@{team.id}.example"} if what == "organizations" else {}
    return await client.post(f"/api/v1/{what}", json={**body, **unique, **more}, headers=headers)


async def rows(superuser: asyncpg.Pool, team, what: str) -> int:
    if what == "organizations":
        return await superuser.fetchval("SELECT count(*) FROM organizations WHERE slug = $1", f"s-{team.id}")
    return await superuser.fetchval(
        f"SELECT count(*) FROM {what.replace('-', '_')} WHERE organization_id = $1", team.id
    )


@pytest.mark.parametrize("what", HANDED_OUT)
async def test_a_secret_is_handed_out_again_to_the_same_request_and_lies_nowhere(client, team, superuser, what) -> None:
    _, _, other, field = HANDED_OUT[what]
    first, again = await make(client, team, what), await make(client, team, what)
    assert (first.status_code, again.status_code, again.content) == (201, 201, first.content), first.text
    assert again.headers["idempotency-replayed"] == "true"
    assert await rows(superuser, team, what) == 1
    assert (await make(client, team, what, **other)).status_code == 422
    assert await rows(superuser, team, what) == 1
    secret = first.json()[field]
    kept = await superuser.fetch("SELECT body, k::text AS whole FROM idempotency_keys AS k WHERE status = 201")
    assert not [row for row in kept if secret.encode() in row["body"] or secret in row["whole"]]


async def test_a_link_that_resets_a_password_is_made_once(client, team, superuser) -> None:
    address = f"/api/v1/users/{team.editor.id}/password-reset"
    headers = {**team.org_admin.headers, "Idempotency-Key": "key-1"}
    first, again = [await client.post(address, headers=headers) for _ in range(2)]
    assert (first.status_code, again.content) == (201, first.content)
    made = "SELECT count(*) FROM password_resets WHERE user_id = $1"
    assert await superuser.fetchval(made, team.editor.id) == 1
    body = {"token": again.json()["token"], "new_password": "seven purple horses on a roof"}
    assert (await client.post("/api/v1/auth/password-reset", json=body)).status_code == 204


async def test_whoever_visits_another_organization_creates_once_there_too(client, team, strangers, superuser) -> None:
    visit = {"X-Tallywire-Organization": str(strangers.id), "Idempotency-Key": "key-1"}
    headers = {**team.super_admin.headers, **visit}
    body = {"email": "new@strangers.example", "role": "viewer"}
    first, again = [await client.post("/api/v1/invitations", json=body, headers=headers) for _ in range(2)]
    assert (first.status_code, again.content) == (201, first.content)
    assert await rows(superuser, strangers, "invitations") == 1


@pytest.fixture
def without_keys(app) -> Iterator[None]:
    """No key that could encrypt anything."""
    doors = app.state.doors
    app.state.doors = replace(doors, vault=Vault(SecretStr("")))
    yield
    app.state.doors = doors


@pytest.mark.usefixtures("without_keys")
async def test_where_nothing_can_be_encrypted_a_secret_is_handed_out_without_a_key_only(
    client, team, superuser
) -> None:
    refused = await make(client, team, "invitations")
    assert (refused.status_code, "TALLYWIRE_ENCRYPTION_KEYS" in refused.json()["detail"]) == (409, True)
    assert await rows(superuser, team, "invitations") == 0
    body = HANDED_OUT["invitations"][1]
    answer = await client.post("/api/v1/invitations", json=body, headers=team.org_admin.headers)
    assert answer.status_code == 201


ONCE_ANYWAY = {
    "/api/v1/invitations/accept": "its link is good once, and nobody is signed in",
    "/api/v1/me/second-factor": "again it makes the secret anew, in place of the one before",
}


def test_every_creation_takes_a_key_or_is_once_anyway() -> None:
    paths = create_app(Settings()).openapi()["paths"]
    creations = {path for path, methods in paths.items() if "201" in methods.get("post", {}).get("responses", {})}
    keyed = {
        path
        for path in creations
        if "Idempotency-Key" in [one["name"] for one in paths[path]["post"].get("parameters", ())]
    }
    assert creations - keyed == ONCE_ANYWAY.keys()
