"""Assignments and reminders: who is to do what by when, told of once."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

import wire.postgres
from api.worker.reminders import REMINDED, remind_next
from wire.events import ContentEvent
from wire.ids import new_id

LATER = "2999-01-01T00:00:00Z"


async def draft(client, team, title: str = "t") -> str:
    piece = {"type": "custom", "title": title, "body": "b"}
    return (await client.post("/api/v1/content", json=piece, headers=team.editor.headers)).json()["id"]


async def assign(client, team, piece: str, person: Any, **asked: object) -> Any:
    address = f"/api/v1/content/{piece}/assignees/{person.id}"
    return await client.put(address, json=asked, headers=team.editor.headers)


@pytest.fixture
async def pools(settings):
    """Two workers' connections to PostgreSQL."""
    made = [await wire.postgres.pool(settings.postgres_app_url) for _ in range(2)]
    yield made
    for pool in made:
        await pool.close()


async def reminded(superuser, team) -> list[ContentEvent]:
    sql = "SELECT body FROM outbox WHERE organization_id = $1 AND type = $2 ORDER BY id"
    return [
        msgspec.json.decode(row["body"], type=ContentEvent) for row in await superuser.fetch(sql, team.id, REMINDED)
    ]


async def due_now(superuser, piece: str) -> None:
    await superuser.execute(
        "UPDATE assignments SET remind_at = now() - interval '1 s' WHERE content_id::text = $1", piece
    )


async def test_work_is_listed_the_first_due_first_and_an_assignment_can_be_changed_and_taken_away(client, team) -> None:
    pieces = [await draft(client, team, title) for title in ("late", "soon", "whenever")]
    for piece, due in zip(pieces, ("2999-01-02T00:00:00Z", LATER, None), strict=True):
        assert (await assign(client, team, piece, team.viewer, due_at=due)).json()["due_at"] == due

    async def work(**asked: object) -> list[str]:
        answer = (await client.get("/api/v1/assignments", params=asked, headers=team.viewer.headers)).json()
        assert answer["total"] == (3 if asked else len(answer["items"]))
        return [one["title"] for one in answer["items"]]

    assert await work() == ["soon", "late", "whenever"]
    assert await work(user_id=str(team.viewer.id), limit=2, page=2) == ["whenever"]
    assert await work(user_id=str(team.viewer.id), page=9) == []
    await assign(client, team, pieces[0], team.viewer, due_at="2998-01-01T00:00:00Z")
    assert await work() == ["late", "soon", "whenever"]
    address = f"/api/v1/content/{pieces[0]}/assignees/{team.viewer.id}"
    assert (await client.delete(address, headers=team.editor.headers)).status_code == 204
    assert (await client.delete(address, headers=team.editor.headers)).status_code == 404
    assert await work() == ["soon", "whenever"]


async def test_only_active_people_of_the_organization_are_assigned(client, team, strangers, superuser) -> None:
    piece = await draft(client, team)
    await superuser.execute("UPDATE users SET status = 'suspended' WHERE id = $1", team.approver.id)
    for person in (strangers.editor, team.approver):
        assert (await assign(client, team, piece, person)).status_code == 404
    shown = await client.get(f"/api/v1/content/{piece}/assignees", headers=team.viewer.headers)
    assert shown.json() == []


async def test_a_reminder_in_the_past_is_422(client, team) -> None:
    past = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    assert (await assign(client, team, await draft(client, team), team.viewer, remind_at=past)).status_code == 422


async def test_what_is_due_is_told_of_once_by_however_many_workers_and_nothing_before_its_time(
    client, team, superuser, pools
) -> None:
    pieces = [await draft(client, team) for _ in range(6)]
    for piece in pieces:
        await assign(client, team, piece, team.viewer, due_at=LATER, remind_at="2998-12-31T00:00:00Z")
    assert not await remind_next(pools[0])
    for piece in pieces[:5]:
        await due_now(superuser, piece)
    while any(await asyncio.gather(*(remind_next(pool) for pool in pools for _ in range(2)))):
        pass
    told = await reminded(superuser, team)
    assert sorted(str(event.content_id) for event in told) == sorted(pieces[:5])
    assert {(event.assignee_id, event.due_at) for event in told} == {(team.viewer.id, datetime(2999, 1, 1, tzinfo=UTC))}


async def test_a_reminder_that_was_cut_off_comes_again_and_another_time_is_another_reminder(
    client, team, superuser, pools
) -> None:
    piece = await draft(client, team)
    while await remind_next(pools[0]):  # of what others left
        pass
    await assign(client, team, piece, team.viewer, remind_at=LATER)
    await due_now(superuser, piece)
    async with pools[0].acquire() as connection:
        cut_off = connection.transaction()
        await cut_off.start()
        assert len(await connection.fetch("SELECT * FROM take_due_reminders(10)")) == 1
        assert not await remind_next(pools[1])
        await cut_off.rollback()
    assert await remind_next(pools[1])
    assert not await remind_next(pools[1])
    again = await assign(client, team, piece, team.viewer, remind_at=LATER)
    assert again.json()["reminded_at"] is None
    await due_now(superuser, piece)
    while await remind_next(pools[0]):
        pass
    assert len(await reminded(superuser, team)) == 2


async def test_of_what_is_done_nobody_is_reminded(client, team, superuser, pools) -> None:
    piece = await draft(client, team)
    await assign(client, team, piece, team.viewer, remind_at=LATER)
    await client.post(f"/api/v1/content/{piece}/archive", headers=team.editor.headers)
    await due_now(superuser, piece)
    while await remind_next(pools[0]):
        pass
    assert await reminded(superuser, team) == []


async def test_the_workers_role_sees_no_assignment_that_is_not_due(client, team, superuser, pools) -> None:
    await assign(client, team, await draft(client, team), team.viewer, remind_at=LATER)
    async with pools[0].acquire() as connection:
        assert await connection.fetchval("SELECT count(*) FROM assignments") == 0
        taken = await connection.fetch("SELECT * FROM take_due_reminders(1000)")
    assert team.id not in {row["organization_id"] for row in taken}
    assert new_id() not in {row["content_id"] for row in taken}
