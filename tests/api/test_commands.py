"""Carrying out commands: once each, the newest wins in whatever order they come."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

import wire.postgres
from api.worker.carry_out import carry_out, decode, forget
from wire.commands import (
    Command,
    Engagement,
    RecordEngagement,
    RecordSnapshots,
    ScoreContent,
    SnapshotTotal,
)
from wire.counters import Cell
from wire.errors import Poison
from wire.ids import new_id

T0 = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
TYPES = {
    ScoreContent: "content.score",
    RecordEngagement: "content.record_engagement",
    RecordSnapshots: "content.record_snapshots",
}


def command(payload: Any, organization_id: UUID | None = None) -> Command:
    """A command as it comes out of its bytes."""
    made = Command(
        id=new_id(),
        type=TYPES[type(payload)],
        organization_id=organization_id,
        key="k",
        issued_at=T0,
        payload=msgspec.Raw(msgspec.json.encode(payload)),
    )
    return decode(msgspec.json.encode(made))


@pytest.fixture(scope="module")
async def pool(settings) -> AsyncIterator[asyncpg.Pool]:
    made = await wire.postgres.pool(settings.postgres_app_url)
    yield made
    await made.close()


@pytest.fixture
async def piece(client, team) -> UUID:
    return await make_piece(client, team)


async def make_piece(client, team) -> UUID:
    body = {"type": "custom", "title": "t"}
    answer = await client.post("/api/v1/content", json=body, headers=team.super_admin.headers)
    return UUID(answer.json()["id"])


async def row_of(superuser: asyncpg.Pool, piece: UUID) -> dict[str, Any]:
    row = dict(await superuser.fetchrow("SELECT * FROM content WHERE id = $1", piece))
    return {**row, "engagement_stats": json.loads(row["engagement_stats"])}


def engagement(team, piece: UUID, version: int) -> Engagement:
    totals = {"web": {"view": {"count": version, "robots": version // 3, "value": version * 10}}}
    return Engagement(organization_id=team.id, content_id=piece, version=version, totals=totals)


async def test_a_score_shows_in_the_piece_and_touches_nothing_else(client, team, piece, pool, superuser) -> None:
    before = await row_of(superuser, piece)
    found = ScoreContent(content_id=piece, revision=1, score=7.25, parts={"length": 0.5})
    assert await carry_out(pool, command(found, team.id)) == "applied"
    answer = await client.get(f"/api/v1/content/{piece}", headers=team.viewer.headers)
    assert answer.json()["quality_score"] == 7.25
    changed = {"quality_score": 7.25, "scored_revision": 1, "score_parts": '{"length": 0.5}'}
    assert await row_of(superuser, piece) == {**before, **changed}


async def test_a_score_of_an_older_revision_never_overwrites(team, piece, pool, superuser) -> None:
    for revision, score in ((3, 9.0), (2, 1.0), (1, 2.0)):
        await carry_out(
            pool, command(ScoreContent(content_id=piece, revision=revision, score=score, parts={}), team.id)
        )
    row = await row_of(superuser, piece)
    assert (row["quality_score"], row["scored_revision"]) == (9.0, 3)


async def test_a_command_is_carried_out_once_however_often_it_comes(team, piece, pool, superuser) -> None:
    first = command(ScoreContent(content_id=piece, revision=1, score=3, parts={}), team.id)
    outcomes = await asyncio.gather(*(carry_out(pool, first) for _ in range(4)))
    assert sorted(outcomes) == ["applied", "duplicate", "duplicate", "duplicate"]
    await carry_out(pool, command(ScoreContent(content_id=piece, revision=1, score=4, parts={}), team.id))
    assert await carry_out(pool, first) == "duplicate"
    assert (await row_of(superuser, piece))["quality_score"] == 4


async def test_a_command_that_fails_leaves_no_note_and_no_effect(team, piece, pool, superuser) -> None:
    before = await row_of(superuser, piece)
    too_large = engagement(team, piece, 2**63)
    bad = command(RecordEngagement(updates=(engagement(team, nowhere(), 1), too_large)))
    with pytest.raises(Poison, match="invalid_payload"):
        await carry_out(pool, bad)
    assert await superuser.fetchval("SELECT count(*) FROM processed_commands WHERE command_id = $1", bad.id) == 0
    assert await row_of(superuser, piece) == before


def nowhere() -> UUID:
    """An id that no piece has."""
    return UUID(int=9)


async def test_a_score_cannot_reach_into_another_organization(client, team, strangers, piece, pool, superuser) -> None:
    before = await row_of(superuser, piece)
    forged = command(ScoreContent(content_id=piece, revision=1, score=1, parts={}), strangers.id)
    with pytest.raises(Poison, match="unknown_content"):
        await carry_out(pool, forged)
    await carry_out(pool, command(RecordEngagement(updates=(engagement(strangers, piece, 5),))))
    assert await row_of(superuser, piece) == before


async def test_one_command_records_pieces_of_many_organizations(client, team, strangers, pool, superuser) -> None:
    pieces = [(owner, await make_piece(client, owner)) for owner in (team, strangers, team)]
    unknown = (strangers, new_id())
    updates = tuple(engagement(owner, id_, n + 1) for n, (owner, id_) in enumerate([*pieces, unknown]))
    before = [await row_of(superuser, id_) for _, id_ in pieces]
    assert await carry_out(pool, command(RecordEngagement(updates=updates))) == "applied"
    for n, (_, id_) in enumerate(pieces):
        stats = {"totals": updates[n].totals}
        assert await row_of(superuser, id_) == {**before[n], "engagement_stats": stats, "engagement_version": n + 1}
    kept = await superuser.fetchrow("SELECT * FROM commands_aside WHERE key = $1", str(unknown[1]))
    assert (kept["organization_id"], kept["reason"], kept["due_at"]) == (strangers.id, "unknown_content", None)


async def test_figures_told_as_cells_are_kept_as_the_same_totals(client, team, piece, pool, superuser) -> None:
    cells = (Cell("web", "view", 5, 1, 50), Cell("x", "share", 1, 0, 7), Cell("web", "read", 3, 0, 0))
    told = Engagement(organization_id=team.id, content_id=piece, version=9, cells=cells)
    await carry_out(pool, command(RecordEngagement(updates=(told,))))
    row = await row_of(superuser, piece)
    assert row["engagement_version"] == 9
    assert row["engagement_stats"]["totals"] == {
        "web": {"view": {"count": 5, "robots": 1, "value": 50}, "read": {"count": 3, "robots": 0, "value": 0}},
        "x": {"share": {"count": 1, "robots": 0, "value": 7}},
    }


async def test_totals_and_snapshots_stand_side_by_side(client, team, piece, pool) -> None:
    total = SnapshotTotal(
        organization_id=team.id, content_id=piece, platform="facebook", kind="share", count=9, captured_at=T0
    )
    await carry_out(pool, command(RecordEngagement(updates=(engagement(team, piece, 6),))))
    await carry_out(pool, command(RecordSnapshots(updates=(total,))))
    await carry_out(pool, command(RecordEngagement(updates=(engagement(team, piece, 7),))))
    answer = await client.get(f"/api/v1/content/{piece}", headers=team.viewer.headers)
    assert answer.json()["engagement_stats"] == {
        "totals": {"web": {"view": {"count": 7, "robots": 2, "value": 70}}},
        "snapshots": {"facebook": {"share": {"count": 9, "captured_at": "2026-11-22T10:00:00+00:00"}}},
    }


async def test_two_commands_over_the_same_pieces_in_opposite_orders_do_not_lock_each_other_up(
    client, team, strangers, pool, superuser
) -> None:
    pieces = [(owner, await make_piece(client, owner)) for owner in (team, strangers) for _ in range(6)]
    ways = (pieces, pieces[::-1])
    async with asyncio.timeout(20):
        await asyncio.gather(
            *(
                carry_out(pool, command(RecordEngagement(updates=tuple(engagement(o, p, n) for o, p in ways[n % 2]))))
                for n in range(1, 31)
            )
        )
    assert {(await row_of(superuser, id_))["engagement_version"] for _, id_ in pieces} == {30}


versions = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 6)), min_size=1, max_size=12)
captures = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.sampled_from(["x", "facebook"]),
        st.just("share"),
        st.integers(0, 1),
        st.integers(0, 3),
    ),
    min_size=3,
    max_size=14,
)
real = examples(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


def batches(data: st.DataObject, updates: list[Any]) -> list[tuple[Any, ...]]:
    """The updates in any order, some of them twice, cut into commands anywhere."""
    shuffled = data.draw(st.permutations(updates + data.draw(st.lists(st.sampled_from(updates), max_size=6))))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(shuffled)), max_size=4)) | {len(shuffled)})
    return [tuple(shuffled[start:end]) for start, end in zip([0, *cuts], cuts, strict=False) if start < end]


@real
@given(data=st.data(), drawn=versions)
async def test_engagement_ends_the_same_in_any_order_and_repetition(
    client, make_team, pool, superuser, data, drawn
) -> None:
    owners = await two_teams(make_team)
    pieces = [(owners[n % 2], await make_row(superuser, owners[n % 2])) for n in range(3)]
    updates = [engagement(*pieces[which], version) for which, version in drawn]
    for batch in batches(data, updates):
        await carry_out(pool, command(RecordEngagement(updates=batch)))
    for which, (owner, id_) in enumerate(pieces):
        newest = max((version for one, version in drawn if one == which), default=0)
        row = await row_of(superuser, id_)
        assert row["engagement_version"] == newest
        assert row["engagement_stats"] == ({"totals": engagement(owner, id_, newest).totals} if newest else {})


@real
@given(data=st.data(), drawn=captures)
async def test_snapshots_end_the_same_in_any_order_and_repetition(
    client, make_team, pool, superuser, data, drawn
) -> None:
    owners = await two_teams(make_team)
    pieces = [(owners[n % 2], await make_row(superuser, owners[n % 2])) for n in range(3)]
    updates = [
        SnapshotTotal(
            organization_id=pieces[which][0].id,
            content_id=pieces[which][1],
            platform=platform,
            kind=kind,
            count=count,
            captured_at=(T0 + timedelta(milliseconds=at)).astimezone(UTC),
        )
        for which, platform, kind, at, count in drawn
    ]
    for batch in batches(data, updates):
        await carry_out(pool, command(RecordSnapshots(updates=batch)))
    for which, (_, id_) in enumerate(pieces):
        expected: dict[str, dict[str, Any]] = {}
        for _, platform, kind, at, count in sorted((d for d in drawn if d[0] == which), key=lambda d: d[3:]):
            captured_at = (T0 + timedelta(milliseconds=at)).isoformat()
            expected.setdefault(platform, {})[kind] = {"count": count, "captured_at": captured_at}
        row = await row_of(superuser, id_)
        assert row["engagement_stats"] == ({"snapshots": expected} if expected else {})
        assert row["engagement_version"] == 0


_teams: list[Any] = []


async def two_teams(make_team) -> list[Any]:
    while len(_teams) < 2:
        _teams.append(await make_team())
    return _teams


async def make_row(superuser: asyncpg.Pool, team) -> UUID:
    """A piece without the rest of a creation: many are needed."""
    id_ = new_id()
    await superuser.execute(
        "INSERT INTO content (id, organization_id, creator_id, type, title) VALUES ($1, $2, $3, 'custom', 't')",
        id_,
        team.id,
        team.editor.id,
    )
    return id_


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "undecodable_command"),
        (b"\xff\xfe", "undecodable_command"),
        (b"{}", "undecodable_command"),
        (b'{"id": "x"}', "undecodable_command"),
        (b"[" * 100_000, "undecodable_command"),
    ],
)
def test_what_is_no_command_is_poison(body: bytes, reason: str) -> None:
    with pytest.raises(Poison) as caught:
        decode(body)
    assert caught.value.reason == reason


async def test_a_command_that_nobody_carries_out_is_poison(pool) -> None:
    made = Command(
        id=new_id(), type="content.burn", organization_id=None, key="k", issued_at=T0, payload=msgspec.Raw(b"{}")
    )
    with pytest.raises(Poison, match="unknown_command"):
        await carry_out(pool, decode(msgspec.json.encode(made)))


@pytest.mark.parametrize(
    ("kind", "payload", "reason"),
    [
        ("content.score", b"{}", "invalid_payload"),
        ("content.score", b'{"content_id": 7}', "invalid_payload"),
        ("content.record_engagement", b'{"updates": {}}', "invalid_payload"),
        ("content.record_snapshots", b"[]", "invalid_payload"),
    ],
)
async def test_a_payload_that_is_not_its_command_s_is_poison(team, pool, kind, payload, reason) -> None:
    made = Command(id=new_id(), type=kind, organization_id=team.id, key="k", issued_at=T0, payload=msgspec.Raw(payload))
    with pytest.raises(Poison) as caught:
        await carry_out(pool, decode(msgspec.json.encode(made)))
    assert caught.value.reason == reason


@pytest.mark.parametrize("score", [-0.1, 10.1, 1e300])
async def test_a_score_out_of_range_is_poison(team, piece, pool, score) -> None:
    with pytest.raises(Poison, match="score_out_of_range"):
        await carry_out(pool, command(ScoreContent(content_id=piece, revision=1, score=score, parts={}), team.id))


async def test_a_score_of_no_organization_is_poison(piece, pool) -> None:
    with pytest.raises(Poison, match="no_organization"):
        await carry_out(pool, command(ScoreContent(content_id=piece, revision=1, score=1, parts={})))


async def test_notes_of_commands_are_dropped_after_thirty_days(pool, superuser) -> None:
    old, young = new_id(), new_id()
    insert = "INSERT INTO processed_commands VALUES ($1, now() - make_interval(days => $2))"
    await superuser.execute(insert, old, 31)
    await superuser.execute(insert, young, 29)
    await forget(pool)
    left = await superuser.fetch("SELECT command_id FROM processed_commands WHERE command_id = ANY ($1)", [old, young])
    assert [row["command_id"] for row in left] == [young]
