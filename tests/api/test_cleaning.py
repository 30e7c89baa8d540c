"""What was stored before the cleaner becomes in the table what readers get, by revisions that are approved anew."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest

import wire.postgres
from api.content import cleaning
from api.content.cleaning import clean_some, clean_stored
from api.content.revisions import digest
from api.content.rich_text import clean
from api.db import Database
from api.worker.carry_out import carry_out, decode
from wire.events import ContentEvent

DIRTY = '<p onclick="x">R&D<script>alert(1)</script></p>'
CLEAN = "<p>R&amp;D</p>"
PLANT = """
WITH changed AS (UPDATE content SET body = $2, revision = revision + 1 WHERE id = $1 RETURNING *)
INSERT INTO content_revisions (organization_id, content_id, revision, sha256, title, body, type, platforms, author_id)
SELECT organization_id, id, revision, content_sha256(type, title, body, platforms), title, body, type, platforms,
       creator_id FROM changed
"""
FAR = {"scheduled_at": "2999-01-01T00:00:00Z"}
WAYS: dict[str, tuple[str, ...]] = {
    "draft": (),
    "pending_approval": ("submit",),
    "approved": ("submit", "approve"),
    "scheduled": ("submit", "approve", "schedule"),
    "published": ("submit", "approve", "publish"),
    "archived": ("archive",),
}


@pytest.fixture(scope="module")
async def pool(settings) -> AsyncIterator[asyncpg.Pool]:
    made = await wire.postgres.pool(settings.postgres_app_url)
    yield made
    await made.close()


async def planted(client, team, superuser, body: str = DIRTY) -> str:
    """A draft as an old release would have kept it."""
    piece = {"type": "custom", "title": "t", "body": "b"}
    made = (await client.post("/api/v1/content", json=piece, headers=team.editor.headers)).json()["id"]
    async with superuser.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute(PLANT, UUID(made), body)
    return made


async def act(client, team, pool, superuser, piece: str, *way: str) -> None:
    for action in way:
        who = team.approver if action == "approve" else team.editor
        body = FAR if action == "schedule" else None
        answer = await client.post(f"/api/v1/content/{piece}/{action}", json=body, headers=who.headers)
        assert answer.is_success, answer.text
        if action == "publish":
            asked = "SELECT body FROM outbox WHERE key = $1 AND type = 'content.publish'"
            for row in await superuser.fetch(asked, piece):
                await carry_out(pool, decode(row["body"]))


async def begin_anew(superuser) -> None:
    await superuser.execute("DELETE FROM cleanings")


async def state(superuser, piece: str) -> Any:
    return await superuser.fetchrow("SELECT * FROM content WHERE id = $1", UUID(piece))


async def told(superuser, team, piece: str) -> dict[str, Any]:
    """The newest entry of the trail that is about a piece."""
    newest = """
        SELECT entry FROM audit_entries WHERE organization_id = $1 AND entry::jsonb ->> 'subject_id' = $2
        ORDER BY sequence DESC LIMIT 1
    """
    return msgspec.json.decode(await superuser.fetchval(newest, team.id, piece))


@pytest.mark.parametrize("status", [status for status in WAYS if status != "published"])
async def test_what_is_not_published_gets_a_cleaned_revision_that_nobody_has_approved(
    client, team, pool, superuser, settings, status
) -> None:
    piece = await planted(client, team, superuser)
    await act(client, team, pool, superuser, piece, *WAYS[status])
    await begin_anew(superuser)
    assert (await clean_stored(settings))["cleaned"] >= 1
    row = await state(superuser, piece)
    expected = "archived" if status == "archived" else "draft"
    assert (row["body"], row["revision"], row["status"], row["scheduled_at"]) == (CLEAN, 3, expected, None)
    kept = await superuser.fetchrow(
        "SELECT sha256, author_id FROM content_revisions WHERE content_id = $1 AND revision = 3", UUID(piece)
    )
    assert tuple(kept) == (digest("custom", "t", CLEAN, []), team.editor.id)
    standing = "SELECT count(*) FROM approvals WHERE content_id = $1 AND voided_at IS NULL"
    assert await superuser.fetchval(standing, UUID(piece)) == 0
    entry = await told(superuser, team, piece)
    details = {"revision": 3, "status": status.replace("scheduled", "approved")}
    assert (entry["action"], entry["actor_id"], entry["details"]) == ("content.cleaned", None, details)
    newest = "SELECT body FROM outbox WHERE key = $1 ORDER BY id DESC LIMIT 1"
    event = msgspec.json.decode(await superuser.fetchval(newest, piece), type=ContentEvent)
    assert (event.type, event.revision, event.content.body) == ("content.updated", 3, CLEAN)


async def test_what_is_published_stays_what_was_approved_and_says_that_it_is_shown_cleaned(
    client, team, pool, superuser, settings
) -> None:
    piece = await planted(client, team, superuser)
    await act(client, team, pool, superuser, piece, *WAYS["published"])
    before = await state(superuser, piece)
    await begin_anew(superuser)
    assert (await clean_stored(settings))["shown_cleaned"] >= 1
    assert await state(superuser, piece) == before
    entry = await told(superuser, team, piece)
    assert (entry["action"], entry["details"]) == ("content.shown_cleaned", {"revision": 2, "status": "published"})
    shown = (await client.get(f"/api/v1/content/{piece}", headers=team.viewer.headers)).json()
    listed = (await client.get("/api/v1/content", headers=team.viewer.headers)).json()["items"][0]
    assert [(one["body"], one["shown_cleaned"], one["status"]) for one in (shown, listed)] == [
        (CLEAN, True, "published")
    ] * 2
    await act(client, team, pool, superuser, piece, "archive", "restore")
    row = await state(superuser, piece)
    assert (row["body"], row["revision"], row["status"]) == (CLEAN, 3, "draft")
    await act(client, team, pool, superuser, piece, *WAYS["published"])
    shown = (await client.get(f"/api/v1/content/{piece}", headers=team.viewer.headers)).json()
    assert (shown["status"], shown["shown_cleaned"]) == ("published", False)


async def test_what_is_clean_is_left_alone_and_once_compared_nothing_is_again(
    client, team, superuser, settings
) -> None:
    clean_already = await planted(client, team, superuser, CLEAN)
    before = await state(superuser, clean_already)
    await begin_anew(superuser)
    await clean_stored(settings)
    assert await state(superuser, clean_already) == before
    late = await planted(client, team, superuser)
    assert await clean_stored(settings) == {}
    assert (await state(superuser, late))["body"] == DIRTY


async def test_killed_between_batches_it_goes_on_where_it_was_and_two_at_once_make_one_revision(
    client, team, superuser, settings, monkeypatch
) -> None:
    await begin_anew(superuser)
    await clean_stored(settings)
    pieces = [await planted(client, team, superuser, f"<b>{n}</b><script>x</script>") for n in range(9)]
    await begin_anew(superuser)
    database = Database(wire.postgres.engine(settings.postgres_url, pool_size=1))
    first = "UPDATE cleanings SET reached = $1"
    assert await clean_some(database, 1) == {}
    await superuser.execute(first, UUID(int=UUID(pieces[0]).int - 1))
    monkeypatch.setattr(cleaning, "CHANGED", 3)
    assert await clean_some(database, 1) == {"cleaned": 1}
    assert await clean_some(database, 1000) == {"cleaned": 3}, "the audit trail waits for no more than that"
    await database.close()
    done = [(await state(superuser, piece))["revision"] for piece in pieces]
    assert done == [3] * 4 + [2] * 5
    counted = await asyncio.gather(clean_stored(settings, 2), clean_stored(settings, 2))
    assert sum(one["cleaned"] for one in counted) == 5
    rows = [await state(superuser, piece) for piece in pieces]
    assert [(row["revision"], row["body"]) for row in rows] == [(3, f"<b>{n}</b>") for n in range(9)]


async def test_afterwards_only_what_is_published_differs_from_what_readers_get(superuser, settings) -> None:
    await begin_anew(superuser)
    await clean_stored(settings)
    rows = await superuser.fetch("SELECT body, status::text FROM content")
    assert {row["status"] for row in rows if clean(row["body"]) != row["body"]} <= {"published"}
