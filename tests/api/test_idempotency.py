"""Idempotency-Key: the same request again creates nothing more and is answered the same."""

import asyncio
from uuid import UUID

import asyncpg
import pytest

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
    assert await pieces(superuser, team) == 0
