"""A trail that was tampered with is found out, and the first entry is named."""

import asyncpg
import pytest

from api.audit_chain import Broken, Head, Stored, verify


@pytest.fixture
async def trail(client, team, superuser: asyncpg.Pool) -> tuple[list[Stored], Head]:
    """Four entries, written by the API, and their head."""
    for n in range(4):
        body = {"type": "custom", "title": f"piece {n}"}
        await client.post("/api/v1/content", json=body, headers=team.editor.headers)
    entries = "SELECT sequence, hash, entry FROM audit_entries WHERE organization_id = $1 ORDER BY sequence"
    head = await superuser.fetchrow("SELECT sequence, hash FROM audit_heads WHERE organization_id = $1", team.id)
    return [Stored(*row) for row in await superuser.fetch(entries, team.id)], Head(*head)


async def test_a_trail_as_it_was_written_is_whole(trail) -> None:
    rows, head = trail
    assert (len(rows), head.sequence) == (4, 4)
    assert verify(rows, head) is None
    assert verify([], None) is None


@pytest.mark.parametrize("at", [0, 1, 2, 3])
async def test_an_entry_changed_or_removed_is_named_the_newest_too(trail, at) -> None:
    rows, head = trail
    changed = [*rows[:at], rows[at]._replace(entry=rows[at].entry.replace("created", "deleted")), *rows[at + 1 :]]
    assert verify(changed, head) == Broken(at + 1, "changed")
    assert verify(rows[:at] + rows[at + 1 :], head) == Broken(at + 1, "removed")


async def test_all_entries_or_the_head_removed_is_noticed(trail) -> None:
    rows, head = trail
    assert verify([], head) == Broken(1, "removed")
    assert verify(rows, None) == Broken(5, "its head is gone")
    assert verify(rows, head._replace(hash="0")) == Broken(4, "changed, or its head was")


async def test_the_command_names_the_organization_and_the_entry(settings, trail, team, superuser) -> None:
    from stack.commands.audit import check

    assert team.id not in await check(settings)
    async with superuser.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute("DELETE FROM audit_entries WHERE organization_id = $1 AND sequence = 4", team.id)
    assert (await check(settings))[team.id] == Broken(4, "removed")


async def test_the_trail_is_read_page_by_page(client, trail, team) -> None:
    first = (await client.get("/api/v1/audit?limit=3", headers=team.org_admin.headers)).json()
    assert [one["entry"]["sequence"] for one in first["items"]] == [4, 3, 2]
    rest = await client.get(f"/api/v1/audit?before={first['next_before']}", headers=team.org_admin.headers)
    assert [one["entry"]["sequence"] for one in rest.json()["items"]] == [1]
    assert rest.json()["next_before"] is None
    assert first["items"][0]["entry"]["action"] == "content.created"
