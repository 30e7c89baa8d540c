"""A trail that was tampered with is found out, by whoever it was, and the first entry is named."""

import hashlib
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest

from api.audit_chain import Broken
from stack.commands.audit import check, check_file, heads_of, read_heads
from stack.errors import Refused

Tamper = Callable[..., Awaitable[None]]


@pytest.fixture
async def trail(client, team) -> None:
    """Four entries, written by the API."""
    for n in range(4):
        body = {"type": "custom", "title": f"piece {n}"}
        assert (await client.post("/api/v1/content", json=body, headers=team.editor.headers)).is_success


@pytest.fixture
def tamper(superuser: asyncpg.Pool, team) -> Tamper:
    """Statements of a superuser who has switched the triggers off; $1 is the organization."""

    async def run(*statements: str) -> None:
        async with superuser.acquire() as connection, connection.transaction():
            await connection.execute("SET LOCAL session_replication_role = replica")
            for statement in statements:
                await connection.execute(statement, team.id)

    return run


OF = "WHERE organization_id = $1"
CHANGED = "UPDATE audit_entries SET entry = replace(entry, 'content.created', 'content.deleted')"
HASHED = "UPDATE audit_entries SET hash = encode(sha256(convert_to(entry, 'UTF8')), 'hex')"
SWAPPED = f"UPDATE audit_entries SET sequence = CASE sequence WHEN 2 THEN 30 WHEN 3 THEN 2 ELSE sequence END {OF}"
ATTACKS = {
    "the first changed": ([f"{CHANGED} {OF} AND sequence = 1"], Broken(1, "changed")),
    "one in the middle changed": ([f"{CHANGED} {OF} AND sequence = 3"], Broken(3, "changed")),
    "the newest changed": ([f"{CHANGED} {OF} AND sequence = 4"], Broken(4, "changed")),
    "changed and hashed anew": (
        [f"{CHANGED} {OF} AND sequence = 2", f"{HASHED} {OF} AND sequence = 2"],
        Broken(3, "changed, or the one before it was"),
    ),
    "the newest changed and hashed anew": (
        [f"{CHANGED} {OF} AND sequence = 4", f"{HASHED} {OF} AND sequence = 4"],
        Broken(4, "changed, or its head was"),
    ),
    "the first removed": ([f"DELETE FROM audit_entries {OF} AND sequence = 1"], Broken(1, "removed")),
    "one in the middle removed": ([f"DELETE FROM audit_entries {OF} AND sequence = 2"], Broken(2, "removed")),
    "the newest removed": ([f"DELETE FROM audit_entries {OF} AND sequence = 4"], Broken(4, "removed")),
    "all removed": ([f"DELETE FROM audit_entries {OF}"], Broken(1, "removed")),
    "the head removed": ([f"DELETE FROM audit_heads {OF}"], Broken(5, "its head is gone")),
    "two in another order": (
        [SWAPPED, f"UPDATE audit_entries SET sequence = 3 {OF} AND sequence = 30"],
        Broken(2, "changed, or the one before it was"),
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
async def test_what_a_superuser_did_to_the_trail_is_named(client, settings, trail, team, tamper, attack) -> None:
    assert team.id not in await check(settings, {})
    statements, broken = ATTACKS[attack]
    await tamper(*statements)
    assert (await check(settings, {}))[team.id] == broken


async def rewritten(superuser: asyncpg.Pool, tamper: Tamper, organization_id: object) -> None:
    """Every entry from the second on told anew, in a chain that is whole in itself, and the head with it."""
    asked = "SELECT * FROM audit_entries WHERE organization_id = $1 ORDER BY sequence"
    rows = await superuser.fetch(asked, organization_id)
    previous = rows[0]["hash"]
    for row in rows[1:]:
        told = {**json.loads(row["entry"]), "action": "content.nothing", "previous_hash": previous}
        entry = json.dumps(told)
        previous = hashlib.sha256(entry.encode()).hexdigest()
        await tamper(
            f"UPDATE audit_entries SET entry = '{entry}', hash = '{previous}' {OF} AND sequence = {row['sequence']}"
        )
    await tamper(f"UPDATE audit_heads SET hash = '{previous}' {OF}")


async def test_a_trail_that_was_rewritten_with_its_head_is_told_by_a_head_that_was_noted_elsewhere(
    client, settings, trail, team, tamper, superuser
) -> None:
    said = "\n".join(f"{row[0]} {row[1]} {row[2]}" for row in await heads_of(settings))
    noted = read_heads(said)
    assert team.id not in await check(settings, noted)
    await rewritten(superuser, tamper, team.id)
    assert team.id not in await check(settings, {})
    told = Broken(4, "not the one that was noted: it or one before it was rewritten")
    assert (await check(settings, noted))[team.id] == told
    await tamper(f"DELETE FROM audit_entries {OF}", f"DELETE FROM audit_heads {OF}")
    assert (await check(settings, noted))[team.id] == Broken(1, "removed")


def written(folder: Path, text: str) -> Path:
    file = folder / "trail.ndjson"
    file.write_text(text)
    return file


async def test_an_export_is_verified_anywhere(client, trail, team, tmp_path) -> None:
    answer = await client.get("/api/v1/audit/export", headers=team.org_admin.headers)
    assert answer.headers["content-type"] == "application/x-ndjson"
    lines = answer.text.splitlines(keepends=True)
    assert [json.loads(line)["sequence"] for line in lines] == [4, 1, 2, 3, 4]

    def first_broken(kept: list[str], heads: str = "") -> Broken | None:
        return check_file(written(tmp_path, "".join(kept)), read_heads(heads)).get(team.id)

    assert first_broken(lines) is None
    for n in range(1, 5):
        assert first_broken(lines[:n] + lines[n + 1 :]) == Broken(n, "removed")
        changed = lines[n].replace("created", "deleted")
        assert first_broken([*lines[:n], changed, *lines[n + 1 :]]) == Broken(n, "changed")
    assert first_broken([lines[0], lines[2], lines[1], *lines[3:]]) == Broken(1, "removed")
    newest = json.loads(lines[0])
    assert first_broken(lines, f"{team.id} 4 {newest['hash']}") is None
    assert first_broken(lines, f"{team.id} 5 {newest['hash']}") == Broken(5, "removed")
    for nothing in ([], ["x"], ["{}\n"]):
        with pytest.raises(Refused):
            first_broken(nothing)


async def test_the_trail_of_who_has_done_nothing_is_exported_and_whole(client, strangers, tmp_path) -> None:
    answer = await client.get("/api/v1/audit/export", headers=strangers.org_admin.headers)
    assert check_file(written(tmp_path, answer.text), {}) == {}


async def test_the_trail_is_read_page_by_page(client, trail, team) -> None:
    first = (await client.get("/api/v1/audit?limit=3", headers=team.org_admin.headers)).json()
    assert [one["entry"]["sequence"] for one in first["items"]] == [4, 3, 2]
    rest = await client.get(f"/api/v1/audit?before={first['next_before']}", headers=team.org_admin.headers)
    assert [one["entry"]["sequence"] for one in rest.json()["items"]] == [1]
    assert rest.json()["next_before"] is None
    assert first["items"][0]["entry"]["action"] == "content.created"
