"""Commands that wait or are dead: seen, replayed and discarded, by an administrator and by the operator."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest

import wire.postgres
from api.worker.aside import set_aside
from api.worker.carry_out import carry_out, decode
from api.worker.consume import of_command
from api.worker.retry import retry_next
from stack.commands.commands import _DISCARD, _REPLAY, change, listed
from stack.errors import Refused
from wire.commands import Command, Engagement, RecordEngagement, RecordSnapshots, ScoreContent, SnapshotTotal
from wire.ids import new_id

T0 = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
async def pool(settings) -> AsyncIterator[asyncpg.Pool]:
    made = await wire.postgres.pool(settings.postgres_app_url)
    yield made
    await made.close()


async def piece_of(client, team) -> str:
    body = {"type": "custom", "title": "t"}
    return (await client.post("/api/v1/content", json=body, headers=team.editor.headers)).json()["id"]


async def dead(pool: asyncpg.Pool, organization_id: UUID | None, piece: str, value: float) -> Command:
    """A score that is dead; 11 is out of range, and would be so again."""
    payload = ScoreContent(content_id=UUID(piece), revision=1, score=value, parts={})
    made = Command(
        id=new_id(),
        type="content.score",
        organization_id=organization_id,
        key=piece,
        issued_at="2026-11-22T10:00:00Z",
        payload=msgspec.Raw(msgspec.json.encode(payload)),
    )
    body = msgspec.json.encode(made)
    letter = of_command(made, body, attempts=8, wait=None, reason="unexpected_error", detail="a bug")
    async with pool.acquire() as connection, connection.transaction():
        await set_aside(connection, letter)
    return decode(body)


async def retry_all(pool: asyncpg.Pool) -> None:
    while await retry_next(pool):
        pass


async def show(client, team, piece: str) -> Any:
    return (await client.get(f"/api/v1/content/{piece}", headers=team.viewer.headers)).json()


async def list_of(client, team, **query: Any) -> list[Any]:
    return (await client.get("/api/v1/commands", params=query, headers=team.org_admin.headers)).json()["items"]


async def test_an_administrator_sees_the_organization_s_own_page_by_page(client, team, strangers, pool) -> None:
    piece = await piece_of(client, team)
    ids = [str((await dead(pool, team.id, piece, 5)).id) for _ in range(3)]
    await dead(pool, strangers.id, piece, 5)
    await dead(pool, None, piece, 5)
    first = (await client.get("/api/v1/commands?limit=2", headers=team.org_admin.headers)).json()
    assert [one["id"] for one in first["items"]] == ids[:0:-1]
    rest = await list_of(client, team, before=first["next_before"])
    assert [(one["id"], one["state"], one["reason"]) for one in rest] == [(ids[0], "dead", "unexpected_error")]
    assert await list_of(client, team, state="waiting") == []
    assert len(await list_of(client, team, state="dead")) == 3


async def test_a_replayed_command_is_carried_out_once_and_noted_in_the_trail(client, team, pool) -> None:
    piece = await piece_of(client, team)
    command = await dead(pool, team.id, piece, 5)
    answer = await client.post(f"/api/v1/commands/{command.id}/replay", headers=team.org_admin.headers)
    assert (answer.json()["state"], answer.json()["attempts"]) == ("waiting", 0)
    await retry_all(pool)
    assert (await show(client, team, piece))["quality_score"] == 5
    assert await list_of(client, team) == []
    assert await carry_out(pool, command) == "duplicate"
    trail = (await client.get("/api/v1/audit", headers=team.org_admin.headers)).json()["items"]
    assert (trail[0]["entry"]["action"], trail[0]["entry"]["subject_id"]) == ("command.replayed", str(command.id))


async def test_what_is_replayed_and_fails_again_is_dead_again(client, team, pool) -> None:
    command = await dead(pool, team.id, await piece_of(client, team), 11)
    await client.post(f"/api/v1/commands/{command.id}/replay", headers=team.org_admin.headers)
    await retry_all(pool)
    (left,) = await list_of(client, team)
    assert (left["state"], left["reason"]) == ("dead", "score_out_of_range")


async def test_what_was_discarded_is_never_carried_out(client, team, pool) -> None:
    piece = await piece_of(client, team)
    command = await dead(pool, team.id, piece, 5)
    assert (await client.delete(f"/api/v1/commands/{command.id}", headers=team.org_admin.headers)).status_code == 204
    assert await carry_out(pool, command) == "duplicate"
    assert (await show(client, team, piece))["quality_score"] is None


async def test_the_operator_sees_and_replays_those_of_all_and_of_nobody(
    client, settings, team, strangers, pool, superuser
) -> None:
    piece = await piece_of(client, team)
    ours, theirs, nobody_s = [await dead(pool, whose, piece, 6) for whose in (team.id, strangers.id, None)]
    rows = {row["id"]: row for row in await listed(settings, True, 10_000)}
    assert [rows[one.id]["organization_id"] for one in (ours, theirs, nobody_s)] == [team.id, strangers.id, None]
    await change(settings, ours.id, _REPLAY, "command.replayed")
    for one in (theirs, nobody_s):
        await change(settings, one.id, _DISCARD, "command.discarded")
    await retry_all(pool)
    assert (await show(client, team, piece))["quality_score"] == 6
    with pytest.raises(Refused, match="commands list"):
        await change(settings, nobody_s.id, _REPLAY, "command.replayed")
    last = (
        "SELECT entry::jsonb ->> 'action' FROM audit_entries WHERE organization_id = $1 ORDER BY sequence DESC LIMIT 1"
    )
    assert await superuser.fetchval(last, strangers.id) == "command.discarded"


def told(payload: RecordEngagement | RecordSnapshots) -> Command:
    """Figures of many pieces, as they come from the stream processors: of no organization."""
    kinds = {RecordEngagement: "content.record_engagement", RecordSnapshots: "content.record_snapshots"}
    raw = msgspec.Raw(msgspec.json.encode(payload))
    kind = kinds[type(payload)]
    return Command(id=new_id(), type=kind, organization_id=None, key="k", issued_at=T0, payload=raw)


async def listed_to(client, team) -> list[dict[str, Any]]:
    return (await client.get("/api/v1/commands", headers=team.org_admin.headers)).json()["items"]


async def test_figures_of_a_piece_that_there_is_not_are_kept_once_the_newest_and_replayed_when_it_is_there(
    client, team, pool, superuser
) -> None:
    piece, known = str(new_id()), await piece_of(client, team)

    def views(content_id: str, version: int) -> Engagement:
        totals = {"web": {"view": {"count": version, "robots": 0, "value": 0}}}
        return Engagement(organization_id=team.id, content_id=UUID(content_id), version=version, totals=totals)

    def likes(platform: str, minute: int, count: int) -> SnapshotTotal:
        at, of = T0 + timedelta(minutes=minute), {"organization_id": team.id, "content_id": UUID(piece)}
        return SnapshotTotal(**of, platform=platform, kind="like", count=count, captured_at=at)

    for version in (3, 7, 5):
        await carry_out(pool, told(RecordEngagement(updates=(views(piece, version), views(known, version)))))
    for totals in ((likes("x", 1, 10),), (likes("x", 0, 99), likes("web", 0, 4))):
        await carry_out(pool, told(RecordSnapshots(updates=totals)))
    assert (await show(client, team, known))["engagement_stats"]["totals"]["web"]["view"]["count"] == 7
    kept = await listed_to(client, team)
    assert sorted(one["type"] for one in kept) == ["content.record_engagement", "content.record_snapshots"]
    assert {(one["key"], one["state"], one["reason"]) for one in kept} == {(piece, "dead", "unknown_content")}
    await replay_all(client, team, pool)
    assert {(one["state"], one["reason"]) for one in await listed_to(client, team)} == {("dead", "unknown_content")}
    await superuser.execute(
        "INSERT INTO content (id, organization_id, creator_id, type, title) VALUES ($1, $2, $3, 'custom', 't')",
        *(UUID(piece), team.id, team.editor.id),
    )
    await replay_all(client, team, pool)
    assert await listed_to(client, team) == []
    stats = (await show(client, team, piece))["engagement_stats"]
    assert stats["totals"]["web"]["view"]["count"] == 7
    snapshots = stats["snapshots"]
    assert {platform: kinds["like"]["count"] for platform, kinds in snapshots.items()} == {"x": 10, "web": 4}


async def replay_all(client, team, pool: asyncpg.Pool) -> None:
    for one in await listed_to(client, team):
        await client.post(f"/api/v1/commands/{one['id']}/replay", headers=team.org_admin.headers)
    await retry_all(pool)
