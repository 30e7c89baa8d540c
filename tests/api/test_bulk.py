"""POST /content/bulk: importing what exists elsewhere, once."""

import asyncio
from typing import Any
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import select

from api.auth.service import in_the_name_of
from api.content.bulk import import_pieces
from api.content.schemas import ImportedPiece
from api.users.models import User
from wire.events import ContentEvent

PIECE = {"source_ref": "/a.html", "type": "custom", "title": "/a.html", "platforms": ["web"], "status": "published"}


async def bulk(client, person: Any, pieces: list[dict[str, Any]]):
    return await client.post("/api/v1/content/bulk", json={"pieces": pieces}, headers=person.headers)


async def test_imported_pieces_are_answered_in_order_and_kept_as_sent(client, team) -> None:
    pieces = [
        {
            **PIECE,
            "source_ref": "z",
            "title": "Zeta",
            "published_at": "2020-02-03T04:05:06+01:00",
            "body": "text \\u0041",
        },
        {**PIECE, "source_ref": "a", "title": "Alpha", "status": "draft", "platforms": []},
        {**PIECE, "source_ref": "ä/ö?\n", "title": "Umlaut", "status": "archived"},
    ]
    answer = await bulk(client, team.org_admin, pieces)
    assert answer.status_code == 200
    rows = answer.json()
    assert [(row["source_ref"], row["created"]) for row in rows] == [(piece["source_ref"], True) for piece in pieces]
    for row, piece in zip(rows, pieces, strict=True):
        assert UUID(row["id"]).version == 7
        kept = (await client.get(f"/api/v1/content/{row['id']}", headers=team.viewer.headers)).json()
        assert (kept["title"], kept["status"], kept["platforms"]) == (
            piece["title"],
            piece["status"],
            piece["platforms"],
        )
        assert kept["body"] == piece.get("body", "")
        assert kept["published_at"] == ("2020-02-03T03:05:06Z" if piece["source_ref"] == "z" else None)
        assert (kept["revision"], kept["creator_id"]) == (1, str(team.org_admin.id))


async def test_the_same_import_again_creates_nothing_and_answers_the_same_ids(client, team, superuser) -> None:
    pieces = [{**PIECE, "source_ref": str(n)} for n in range(50)]
    first = (await bulk(client, team.org_admin, pieces)).json()
    again = (await bulk(client, team.org_admin, [*pieces[::-1], {**PIECE, "source_ref": "new"}])).json()
    assert again[:50] == [{**row, "created": False} for row in first[::-1]]
    assert again[50]["created"] is True
    assert await superuser.fetchval("SELECT count(*) FROM content WHERE organization_id = $1", team.id) == 51


async def test_each_created_piece_has_one_event_in_the_outbox(client, team, superuser) -> None:
    rows = (await bulk(client, team.org_admin, [{**PIECE, "source_ref": str(n)} for n in range(20)])).json()
    await bulk(client, team.org_admin, [{**PIECE, "source_ref": str(n)} for n in range(20)])
    bodies = await superuser.fetch("SELECT body FROM outbox WHERE organization_id = $1", team.id)
    events = [msgspec.json.decode(body, type=ContentEvent) for (body,) in bodies]
    assert sorted(event.content_id for event in events) == sorted(UUID(row["id"]) for row in rows)
    assert {(event.type, event.revision, event.content.status) for event in events} == {
        ("content.created", 1, "published")
    }


async def test_a_name_that_comes_twice_in_one_import_is_created_once(client, team) -> None:
    rows = (await bulk(client, team.org_admin, [PIECE, PIECE, PIECE])).json()
    assert [row["created"] for row in rows] == [True, False, False]
    assert len({row["id"] for row in rows}) == 1


async def test_the_same_name_in_two_organizations_is_two_pieces(client, team, strangers) -> None:
    mine = (await bulk(client, team.org_admin, [PIECE])).json()
    theirs = (await bulk(client, strangers.org_admin, [PIECE])).json()
    assert mine[0]["created"] is theirs[0]["created"] is True
    assert mine[0]["id"] != theirs[0]["id"]


async def test_imports_of_the_same_pieces_at_once_create_each_once(client, team) -> None:
    pieces = [{**PIECE, "source_ref": str(n)} for n in range(1000)]
    answers = await asyncio.gather(
        bulk(client, team.org_admin, pieces),
        bulk(client, team.org_admin, pieces[::-1]),
        bulk(client, team.super_admin, pieces[500:] + pieces[:500]),
    )
    ids: dict[str, set[str]] = {}
    created = 0
    for answer in answers:
        assert answer.status_code == 200
        for row in answer.json():
            ids.setdefault(row["source_ref"], set()).add(row["id"])
            created += row["created"]
    assert created == 1000
    assert all(len(of_one) == 1 for of_one in ids.values())


async def test_a_thousand_pieces_pass_at_once_and_do_not_count_as_creations(client, team) -> None:
    pieces = [{**PIECE, "source_ref": f"{n}", "body": "x" * 5000} for n in range(1000)]
    answer = await bulk(client, team.org_admin, pieces)
    assert (answer.status_code, len(answer.json())) == (200, 1000)
    one = await client.post("/api/v1/content", json={"type": "custom", "title": "t"}, headers=team.org_admin.headers)
    assert one.headers["x-ratelimit-remaining"] == "99"


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        [{**PIECE, "source_ref": str(n)} for n in range(1001)],
        [{**PIECE, "source_ref": ""}],
        [{**PIECE, "source_ref": "x" * 501}],
        [{**PIECE, "source_ref": "a\0"}],
        [{name: value for name, value in PIECE.items() if name != "source_ref"}],
        [{**PIECE, "status": "approved"}],
        [{**PIECE, "status": "pending_approval"}],
        [{**PIECE, "status": "draft", "published_at": "2020-01-01T00:00:00Z"}],
        [{**PIECE, "published_at": "2020-01-01T00:00:00"}],
        [{**PIECE, "published_at": "yesterday"}],
        [{**PIECE, "quality_score": 10}],
        [PIECE, {**PIECE, "source_ref": "b", "title": ""}],
    ],
)
async def test_one_piece_that_is_not_valid_refuses_the_whole_import(client, team, superuser, pieces) -> None:
    answer = await bulk(client, team.org_admin, pieces)
    assert answer.status_code == 422
    assert await superuser.fetchval("SELECT count(*) FROM content WHERE organization_id = $1", team.id) == 0


async def test_rows_go_in_by_order_of_name_so_that_imports_never_lock_each_other_up(app, team) -> None:
    doors = app.state.doors
    async with doors.database.transaction(team.id) as session:
        user = (await session.scalars(select(User).where(User.id == team.org_admin.id))).one()

    async def take(session: Any, *names: str) -> list[bool]:
        await in_the_name_of(session, user)
        pieces = [ImportedPiece(source_ref=name, type="custom", title=name) for name in names]
        return [row.created for row in await import_pieces(session, user, pieces)]

    async def second() -> list[bool]:
        async with doors.imports.transaction(team.id) as session:
            return await take(session, "z", "m", "a")

    async with doors.imports.transaction(team.id) as session:
        assert await take(session, "m") == [True]
        waiting = asyncio.create_task(second())
        await asyncio.sleep(0.3)
        assert not waiting.done()
        assert await take(session, "z") == [True]
    assert await waiting == [False, False, True]


async def test_an_import_is_one_entry_in_the_audit_trail_with_the_pieces_that_it_made(client, team, superuser) -> None:
    pieces = [{**PIECE, "source_ref": name} for name in ("trail-1", "trail-2")]
    rows = (await bulk(client, team.org_admin, pieces)).json()
    await bulk(client, team.org_admin, pieces[:1])
    told = await superuser.fetch(
        "SELECT entry::jsonb -> 'details' ->> 'ids' AS ids FROM audit_entries "
        "WHERE organization_id = $1 AND entry::jsonb ->> 'action' = 'content.imported' ORDER BY sequence DESC LIMIT 2",
        team.id,
    )
    ids = [msgspec.json.decode(row["ids"]) for row in told]
    made = sorted(row["id"] for row in rows)
    assert [one for one in ids if set(one) & set(made)] == [made]
