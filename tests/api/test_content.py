"""POST, GET and PUT /content, to the letter."""

import asyncio
import json
from typing import Any
from uuid import UUID

import asyncpg
import httpx2
import msgspec
import pytest

from wire.events import ContentEvent

PIECE = {"type": "market_update", "title": "Bonds rally", "body": "Yields fell.", "platforms": ["web", "newsletter"]}


async def create(client: httpx2.AsyncClient, person: Any, **changes: object) -> dict[str, Any]:
    answer = await client.post("/api/v1/content", json={**PIECE, **changes}, headers=person.headers)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def events_of(superuser: asyncpg.Pool, content_id: str) -> list[ContentEvent]:
    rows = await superuser.fetch("SELECT * FROM outbox WHERE key = $1 ORDER BY id", content_id)
    events = [msgspec.json.decode(row["body"], type=ContentEvent) for row in rows]
    for row, event in zip(rows, events, strict=True):
        assert (row["exchange"], row["routing_key"], row["type"]) == ("tallywire.events", event.type, event.type)
        assert (row["message_id"], row["organization_id"], row["published_at"]) == (
            event.id,
            event.organization_id,
            None,
        )
    return events


async def test_a_new_piece_is_a_draft_with_every_field_of_the_seed(client, team) -> None:
    piece = await create(client, team.editor)
    assert piece.pop("created_at") == piece.pop("updated_at")
    assert UUID(piece.pop("id")).version == 7
    assert piece == {
        **PIECE,
        "organization_id": str(team.id),
        "creator_id": str(team.editor.id),
        "status": "draft",
        "quality_score": None,
        "compliance_status": "pending",
        "scheduled_at": None,
        "published_at": None,
        "publish_problem": None,
        "engagement_stats": {},
        "revision": 1,
        "shown_cleaned": False,
    }


async def test_a_piece_can_be_read_back_by_everyone_of_the_organization(client, team) -> None:
    piece = await create(client, team.editor, title="Zinsen höher 🎈")
    for person in team.people.values():
        answer = await client.get(f"/api/v1/content/{piece['id']}", headers=person.headers)
        assert (answer.status_code, answer.json()) == (200, piece)


async def test_a_creation_and_an_update_each_write_one_event_with_the_piece_as_it_stood(
    client, team, superuser
) -> None:
    piece = await create(client, team.editor)
    await client.put(f"/api/v1/content/{piece['id']}", json={"title": "Bonds slump"}, headers=team.org_admin.headers)
    created, updated = await events_of(superuser, piece["id"])
    assert (created.type, created.revision, created.actor_id) == ("content.created", 1, team.editor.id)
    assert (updated.type, updated.revision, updated.actor_id) == ("content.updated", 2, team.org_admin.id)
    assert msgspec.to_builtins(created.content) == {**PIECE, "platforms": tuple(PIECE["platforms"]), "status": "draft"}
    assert updated.content == msgspec.structs.replace(created.content, title="Bonds slump")
    assert created.organization_id == updated.organization_id == team.id


@pytest.mark.parametrize(
    "body",
    [
        {**PIECE, "title": ""},
        {**PIECE, "title": "   "},
        {**PIECE, "title": "x" * 201},
        {**PIECE, "title": None},
        {**PIECE, "title": 7},
        {**PIECE, "title": "a\0b"},
        {**PIECE, "body": "a\0b"},
        {**PIECE, "body": "half a pair \ud83c"},
        {**PIECE, "body": "x" * 200_001},
        {**PIECE, "type": "poem"},
        {**PIECE, "platforms": "web"},
        {**PIECE, "platforms": ["Web!"]},
        {**PIECE, "platforms": ["web", "web"]},
        {**PIECE, "platforms": [f"p{n}" for n in range(33)]},
        {**PIECE, "status": "published"},
        {**PIECE, "quality_score": 10},
        {**PIECE, "organization_id": "0198c0de-0000-7000-8000-000000000001"},
        {"title": "no type"},
        {"type": "custom"},
        {},
        [],
        "text",
    ],
)
async def test_a_creation_that_is_not_valid_is_422_and_creates_nothing(client, team, superuser, body) -> None:
    headers = {**team.editor.headers, "Content-Type": "application/json"}
    answer = await client.post("/api/v1/content", content=json.dumps(body), headers=headers)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"]
    assert await superuser.fetchval("SELECT count(*) FROM content WHERE organization_id = $1", team.id) == 0


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b'{"type": "custom", ', "application/json"),
        (b"", "application/json"),
        (b"\xff\xfe{}", "application/json"),
        (b'{"type":"custom","title":"form"}', "text/plain"),
        (b'{"type":"custom","title":"form"}', None),
        (b"type=custom&title=form", "application/x-www-form-urlencoded"),
        (b"[" * 100_000, "application/json"),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_a_body_that_is_not_json_is_400(client, team, method, content, content_type) -> None:
    piece = await create(client, team.editor)
    address = "/api/v1/content" if method == "POST" else f"/api/v1/content/{piece['id']}"
    headers = {**team.editor.headers, **({"Content-Type": content_type} if content_type else {})}
    answer = await client.request(method, address, content=content, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:tallywire:problem:malformed"


async def test_a_title_of_200_characters_is_kept_whole_and_trimmed_of_space_around_it(client, team) -> None:
    assert (await create(client, team.editor, title=f"  {'ä' * 200} "))["title"] == "ä" * 200


async def test_only_editors_and_administrators_create(client, team) -> None:
    statuses = {}
    for role, person in team.people.items():
        statuses[role] = (await client.post("/api/v1/content", json=PIECE, headers=person.headers)).status_code
    assert statuses == {"super_admin": 201, "org_admin": 201, "editor": 201, "approver": 403, "viewer": 403}


async def test_pages_hold_every_piece_once_the_newest_first(client, team) -> None:
    made = [(await create(client, team.editor, title=f"piece {n}"))["id"] for n in range(7)]
    seen = []
    for page in (1, 2, 3, 4):
        answer = await client.get("/api/v1/content", params={"page": page, "limit": 3}, headers=team.viewer.headers)
        body = answer.json()
        assert (body["page"], body["limit"], body["total"]) == (page, 3, 7)
        seen += [piece["id"] for piece in body["items"]]
    assert seen == made[::-1]


async def test_a_list_can_be_filtered_by_status_and_platform(client, team) -> None:
    web = await create(client, team.editor, platforms=["web"])
    both = await create(client, team.editor, platforms=["web", "x"])
    pieces = [{"source_ref": "old", "type": "custom", "title": "old", "platforms": ["x"], "status": "published"}]
    await client.post("/api/v1/content/bulk", json={"pieces": pieces}, headers=team.org_admin.headers)

    async def titles(**filters: str) -> list[str]:
        answer = await client.get("/api/v1/content", params=filters, headers=team.viewer.headers)
        assert answer.json()["total"] == len(answer.json()["items"])
        return [piece["id"] if piece["title"] != "old" else "old" for piece in answer.json()["items"]]

    assert await titles(platform="web") == [both["id"], web["id"]]
    assert await titles(platform="x") == ["old", both["id"]]
    assert await titles(status="published") == ["old"]
    assert await titles(status="draft", platform="x") == [both["id"]]
    assert await titles(platform="nowhere") == []


@pytest.mark.parametrize(
    "parameters",
    [
        {"limit": "101"},
        {"limit": "0"},
        {"limit": "ten"},
        {"limit": "1.5"},
        {"page": "0"},
        {"page": "-1"},
        {"page": "1" + "0" * 30},
        {"status": "lost"},
        {"status": ""},
        {"platform": "no such thing!"},
        {"sort": "title"},
    ],
)
async def test_a_list_with_a_bad_parameter_is_400(client, team, parameters) -> None:
    answer = await client.get("/api/v1/content", params=parameters, headers=team.viewer.headers)
    assert answer.status_code == 400
    assert [error["at"] for error in answer.json()["errors"]] == [f"query.{name}" for name in parameters]


async def test_an_update_changes_what_it_names_and_nothing_else(client, team) -> None:
    piece = await create(client, team.editor)
    answer = await client.put(
        f"/api/v1/content/{piece['id']}", json={"body": "Yields rose.", "platforms": []}, headers=team.editor.headers
    )
    changed = answer.json()
    assert answer.status_code == 200
    assert changed.pop("updated_at") > piece.pop("updated_at")
    assert changed == {**piece, "body": "Yields rose.", "platforms": [], "revision": 2}


async def test_the_owner_and_editors_may_update_others_may_not(client, team, superuser) -> None:
    piece = await create(client, team.editor)
    statuses = {}
    for role, person in team.people.items():
        answer = await client.put(f"/api/v1/content/{piece['id']}", json={"title": role}, headers=person.headers)
        statuses[role] = answer.status_code
    assert statuses == {"super_admin": 200, "org_admin": 200, "editor": 200, "approver": 403, "viewer": 403}
    await superuser.execute("UPDATE users SET role = 'viewer' WHERE id = $1", team.editor.id)
    answer = await client.put(f"/api/v1/content/{piece['id']}", json={"title": "mine"}, headers=team.editor.headers)
    assert (answer.status_code, answer.json()["title"]) == (200, "mine")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"title": None},
        {"title": ""},
        {"status": "published"},
        {"revision": 9},
        {"quality_score": 10},
        {"body": "\0"},
    ],
)
async def test_an_update_that_is_not_valid_is_400_and_changes_nothing(client, team, superuser, body) -> None:
    piece = await create(client, team.editor)
    answer = await client.put(f"/api/v1/content/{piece['id']}", json=body, headers=team.editor.headers)
    assert answer.status_code == 400
    assert (await client.get(f"/api/v1/content/{piece['id']}", headers=team.editor.headers)).json() == piece
    assert len(await events_of(superuser, piece["id"])) == 1


async def test_an_unknown_id_is_404_and_what_is_no_id_is_400(client, team) -> None:
    unknown = "0198c0de-0000-7000-8000-000000000001"
    for path, status in ((unknown, 404), ("not-an-id", 400)):
        for method, body in (("GET", None), ("PUT", {"title": "x"})):
            answer = await client.request(method, f"/api/v1/content/{path}", json=body, headers=team.editor.headers)
            assert (method, answer.status_code) == (method, status)


async def test_updates_at_the_same_time_each_become_a_revision_of_their_own(client, team, superuser) -> None:
    piece = await create(client, team.editor)
    answers = await asyncio.gather(
        *(
            client.put(f"/api/v1/content/{piece['id']}", json={"title": f"try {n}"}, headers=team.editor.headers)
            for n in range(8)
        )
    )
    assert sorted(answer.json()["revision"] for answer in answers) == list(range(2, 10))
    events = await events_of(superuser, piece["id"])
    assert {(event.revision, event.content.title) for event in events[1:]} == {
        (answer.json()["revision"], answer.json()["title"]) for answer in answers
    }
