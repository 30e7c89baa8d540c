"""A piece is published at its time, once, by PostgreSQL's clock; not at a time that it no longer has."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

import wire.postgres
from api.worker.carry_out import carry_out, decode
from api.worker.schedule import issue_next

FAR = "2999-01-01T00:00:00Z"


@pytest.fixture(scope="module")
async def pool(settings) -> AsyncIterator[asyncpg.Pool]:
    made = await wire.postgres.pool(settings.postgres_app_url)
    yield made
    await made.close()


async def approved(client, team) -> str:
    body = {"type": "custom", "title": "t", "body": "b"}
    piece = (await client.post("/api/v1/content", json=body, headers=team.editor.headers)).json()["id"]
    for action, who in (("submit", team.editor), ("approve", team.approver)):
        await client.post(f"/api/v1/content/{piece}/{action}", headers=who.headers)
    return piece


async def schedule(client, team, piece: str, at: str = FAR) -> Any:
    address = f"/api/v1/content/{piece}/schedule"
    return await client.post(address, json={"scheduled_at": at}, headers=team.editor.headers)


async def time_passes(superuser: asyncpg.Pool, piece: str) -> None:
    """As if the piece's time had come: only the clock's side of it moves."""
    await superuser.execute("UPDATE content SET scheduled_at = now() - interval '1 s' WHERE id = $1", UUID(piece))


async def issued(pool: asyncpg.Pool, superuser: asyncpg.Pool, piece: str) -> list[Any]:
    """Everything that is due is issued; the commands of this piece."""
    while await issue_next(pool):
        pass
    asked = "SELECT body FROM outbox WHERE key = $1 AND type = 'content.publish' ORDER BY id"
    return [decode(row["body"]) for row in await superuser.fetch(asked, piece)]


async def status_of(client, team, piece: str) -> str:
    return (await client.get(f"/api/v1/content/{piece}", headers=team.viewer.headers)).json()["status"]


async def test_a_piece_is_published_once_its_time_has_come_and_not_before(client, team, pool, superuser) -> None:
    piece = await approved(client, team)
    answer = await schedule(client, team, piece)
    assert (answer.json()["status"], answer.json()["scheduled_at"]) == ("approved", FAR)
    assert await issued(pool, superuser, piece) == []
    await time_passes(superuser, piece)
    (command,) = await issued(pool, superuser, piece)
    await carry_out(pool, command)
    assert await status_of(client, team, piece) == "published"
    actions = await superuser.fetch(
        "SELECT entry::jsonb ->> 'action' AS action FROM audit_entries WHERE organization_id = $1 ORDER BY sequence",
        team.id,
    )
    done = [row["action"] for row in actions][-3:]
    assert done == ["content.scheduled", "content.publish_requested", "content.published"]


async def test_many_workers_issue_each_piece_once(client, team, strangers, pool, superuser) -> None:
    pieces = [await approved(client, one) for one in (team, strangers) for _ in range(5)]
    for n, piece in enumerate(pieces):
        assert (await schedule(client, (team, strangers)[n // 5], piece)).is_success
        await time_passes(superuser, piece)

    async def worker() -> None:
        while await issue_next(pool):
            pass

    await asyncio.gather(*(worker() for _ in range(6)))
    assert [len(await issued(pool, superuser, piece)) for piece in pieces] == [1] * 10


async def test_a_worker_that_dies_between_claim_and_commit_has_issued_nothing(client, team, pool, superuser) -> None:
    piece = await approved(client, team)
    assert await issued(pool, superuser, piece) == [], "nor is anything due that others left"
    await schedule(client, team, piece)
    await time_passes(superuser, piece)
    async with pool.acquire() as connection:
        dying = connection.transaction()
        await dying.start()
        claimed = await connection.fetchrow("SELECT * FROM claim_due_content()")
        assert claimed["content_id"] == UUID(piece)
        assert await issued(pool, superuser, piece) == []
        await dying.rollback()
    assert len(await issued(pool, superuser, piece)) == 1


CHANGES = {
    "edited": ("PUT", "", {"title": "u"}),
    "returned": ("POST", "/return", None),
    "rejected": ("POST", "/reject", {"reason": "no"}),
    "archived": ("POST", "/archive", None),
    "re-scheduled": ("POST", "/schedule", {"scheduled_at": FAR}),
    "unscheduled": ("DELETE", "/schedule", None),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_what_was_changed_after_its_command_was_issued_is_not_published_at_the_old_time(
    client, team, pool, superuser, change
) -> None:
    piece = await approved(client, team)
    await schedule(client, team, piece)
    await time_passes(superuser, piece)
    (command,) = await issued(pool, superuser, piece)
    method, path, body = CHANGES[change]
    who = team.approver if change == "rejected" else team.editor
    answer = await client.request(method, f"/api/v1/content/{piece}{path}", json=body, headers=who.headers)
    assert answer.is_success
    assert answer.json()["scheduled_at"] == (FAR if change == "re-scheduled" else None)
    await carry_out(pool, command)
    assert await status_of(client, team, piece) == answer.json()["status"] != "published"
    assert await issued(pool, superuser, piece) == [command]


async def test_a_time_that_is_over_or_has_no_zone_is_refused(client, team) -> None:
    piece = await approved(client, team)
    before = datetime.now(UTC) - timedelta(seconds=1)
    for at in (before.isoformat(), "2999-01-01T00:00:00", "soon"):
        answer = await schedule(client, team, piece, at)
        assert answer.status_code == 422
    assert (await client.get(f"/api/v1/content/{piece}", headers=team.viewer.headers)).json()["scheduled_at"] is None


async def test_a_draft_has_no_time_of_publication(client, team) -> None:
    body = {"type": "custom", "title": "t"}
    piece = (await client.post("/api/v1/content", json=body, headers=team.editor.headers)).json()["id"]
    assert (await schedule(client, team, piece)).status_code == 409
