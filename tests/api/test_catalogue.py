"""Lists and search: every filter, every order and every cut of a list agree with an independent reckoning."""

import base64
import itertools
import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from api.content.catalogue import FILTERS
from api.content.cursors import Position, cursor_of, position_of
from api.content.filters import Sort
from wire.ids import new_id

START = datetime(2026, 3, 1, tzinfo=UTC)
KINDS = ("market_update", "education", "news_analysis", "custom")
STATUSES = ("draft", "pending_approval", "approved", "published", "archived")
COMPLIANCE = ("pending", "approved", "flagged", "rejected")
WORDS = ("bonds", "equities", "inflation", "yields", "oil", "gold", "rates", "banks")
_INSERT = """
INSERT INTO content (id, organization_id, creator_id, type, title, body, platforms, status, quality_score,
                     compliance_status, published_at, created_at, updated_at)
SELECT p.id, $1, p.creator_id, p.type, p.title, p.body, p.platforms, p.status, p.quality_score, p.compliance_status,
       p.published_at, p.created_at, p.updated_at
FROM jsonb_populate_recordset(null::content, $2::jsonb) AS p
"""


def made(number: int, team: Any, dice: random.Random) -> dict[str, Any]:
    """A piece; times, scores and titles are often equal, so that ties are met."""
    at = START + timedelta(hours=dice.randrange(40))
    status = dice.choice(STATUSES)
    return {
        "id": str(new_id()),
        "creator_id": str(dice.choice([team.editor.id, team.org_admin.id])),
        "type": dice.choice(KINDS),
        "title": f"{dice.choice(WORDS)} {number}",
        "body": " ".join(dice.choices(WORDS, k=6)),
        "platforms": dice.sample(["web", "x", "podcast"], k=dice.randrange(4)),
        "status": status,
        "quality_score": dice.choice([None, 0.0, 3.5, 7.25, 10.0]),
        "compliance_status": dice.choice(COMPLIANCE),
        "published_at": (at + timedelta(hours=5)).isoformat() if status == "published" else None,
        "created_at": at.isoformat(),
        "updated_at": (at + timedelta(hours=dice.randrange(9))).isoformat(),
    }


async def fill(superuser, team, pieces: list[dict[str, Any]]) -> None:
    async with superuser.acquire() as connection, connection.transaction():
        await connection.execute("ALTER TABLE content DISABLE TRIGGER content_gate")
        await connection.execute(_INSERT, team.id, json.dumps(pieces))
        await connection.execute("ALTER TABLE content ENABLE TRIGGER content_gate")


@pytest.fixture(scope="module")
async def library(make_team, superuser) -> tuple[Any, list[dict[str, Any]]]:
    """A team with 60 pieces, and one piece of strangers that has everything."""
    team, strangers, dice = await make_team(), await make_team(), random.Random(4)
    pieces = [made(number, team, dice) for number in range(60)]
    await fill(superuser, team, pieces)
    await fill(superuser, strangers, [{**made(0, strangers, dice), "body": " ".join(WORDS)}])
    for piece in pieces[:9]:
        await superuser.execute(
            "INSERT INTO assignments (organization_id, content_id, user_id, assigned_by) VALUES ($1, $2, $3, $3)",
            team.id,
            UUID(piece["id"]),
            team.editor.id,
        )
    return team, pieces


async def listed(client, team, **asked: object) -> dict[str, Any]:
    answer = await client.get("/api/v1/content", params={"limit": 100, **asked}, headers=team.viewer.headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def ids(client, team, **asked: object) -> list[str]:
    found = await listed(client, team, **asked)
    assert found["total"] == len(found["items"])
    return [piece["id"] for piece in found["items"]]


def newest_first(pieces: list[dict[str, Any]]) -> list[str]:
    return [piece["id"] for piece in sorted(pieces, key=lambda p: (p["created_at"], p["id"]), reverse=True)]


CUT = (START + timedelta(hours=20)).isoformat()
EXPECTED = {
    "status": ("published", lambda p: p["status"] == "published"),
    "platform": ("x", lambda p: "x" in p["platforms"]),
    "type": ("education", lambda p: p["type"] == "education"),
    "compliance_status": ("flagged", lambda p: p["compliance_status"] == "flagged"),
    "created_from": (CUT, lambda p: p["created_at"] >= CUT),
    "created_to": (CUT, lambda p: p["created_at"] < CUT),
    "updated_from": (CUT, lambda p: p["updated_at"] >= CUT),
    "updated_to": (CUT, lambda p: p["updated_at"] < CUT),
    "published_from": (CUT, lambda p: p["published_at"] is not None and p["published_at"] >= CUT),
    "published_to": (CUT, lambda p: p["published_at"] is not None and p["published_at"] < CUT),
    "quality_min": (3.5, lambda p: p["quality_score"] is not None and p["quality_score"] >= 3.5),
    "quality_max": (3.5, lambda p: p["quality_score"] is not None and p["quality_score"] <= 3.5),
}


async def test_each_filter_alone_and_with_each_other_finds_exactly_what_it_says(client, library) -> None:
    team, pieces = library
    held = {piece["id"] for piece in pieces[:9]}
    editor = str(team.editor.id)
    expected = {
        **EXPECTED,
        "creator_id": (editor, lambda p: p["creator_id"] == editor),
        "assignee_id": (editor, lambda p: p["id"] in held),
    }
    assert expected.keys() == FILTERS.keys()
    for first, (value, fits) in expected.items():
        assert await ids(client, team, **{first: value}) == newest_first([p for p in pieces if fits(p)])
    names = sorted(expected)
    for first, second in zip(names, names[1:] + names[:1], strict=True):
        (one, fits), (other, also) = expected[first], expected[second]
        found = await ids(client, team, **{first: one, second: other})
        assert found == newest_first([p for p in pieces if fits(p) and also(p)])


def place(piece: dict[str, Any], sort: Sort) -> tuple[Any, str]:
    return (piece[sort.key] if piece[sort.key] is not None else "" if sort.key.endswith("_at") else -1), piece["id"]


@pytest.mark.parametrize("sort", [sort for sort in Sort if sort is not Sort.RELEVANCE])
async def test_each_order_holds_through_a_cursor_while_pieces_come_in(client, library, superuser, sort) -> None:
    team, pieces = library
    expected = [p["id"] for p in sorted(pieces, key=lambda p: place(p, sort), reverse=sort.descending)]
    assert await ids(client, team, sort=sort.value) == expected
    seen, cursor, newcomers = [], None, []
    while cursor is not None or not seen:
        page = await listed(client, team, sort=sort.value, limit=7, **({"cursor": cursor} if cursor else {}))
        assert (page["page"], page["total"] is None) == ((None, True) if cursor else (1, False))
        seen += [piece["id"] for piece in page["items"]]
        cursor = page["next_cursor"]
        newcomers.append(made(100, team, random.Random(len(seen))))
        await fill(superuser, team, newcomers[-1:])
    gone = [UUID(piece["id"]) for piece in newcomers]
    await superuser.execute("DELETE FROM content WHERE id = ANY ($1)", gone)
    assert len(set(seen)) == len(seen)
    assert [id_ for id_ in seen if UUID(id_) not in gone] == expected


async def test_pages_and_cursors_cut_the_same_list(client, library) -> None:
    team, _ = library
    everything = await ids(client, team)
    pages = [await listed(client, team, page=page, limit=13) for page in range(1, 7)]
    assert [piece["id"] for page in pages for piece in page["items"]] == everything
    assert [page["total"] for page in pages] == [60] * 6
    assert [page["next_cursor"] is None for page in pages] == [False] * 4 + [True] * 2
    after = await listed(client, team, cursor=pages[0]["next_cursor"], limit=13)
    assert after["items"] == pages[1]["items"]


async def test_a_search_finds_words_phrases_alternatives_and_exclusions_in_title_and_body(client, library) -> None:
    team, pieces = library

    def having(fits: Any) -> set[str]:
        return {p["id"] for p in pieces if fits(f"{p['title']} {p['body']}".split())}

    assert set(await ids(client, team, q="gold")) == having(lambda words: "gold" in words)
    assert set(await ids(client, team, q="gold OIL")) == having(lambda words: {"gold", "oil"} <= set(words))
    assert set(await ids(client, team, q="gold or oil")) == having(lambda words: {"gold", "oil"} & set(words))
    assert set(await ids(client, team, q="gold -oil")) == having(lambda words: "gold" in words and "oil" not in words)
    assert set(await ids(client, team, q="yield")) == having(lambda words: "yields" in words)
    pairs = having(lambda words: ("gold", "oil") in itertools.pairwise(words))
    assert pairs <= set(await ids(client, team, q='"gold oil"')) <= having(lambda words: {"gold", "oil"} <= set(words))
    drafts = {p["id"] for p in pieces if p["status"] == "draft"}
    assert set(await ids(client, team, q="gold", status="draft")) == having(lambda w: "gold" in w) & drafts
    assert await ids(client, team, q="the") == await ids(client, team, q="nothingofthekind") == []


async def test_a_match_in_the_title_comes_before_one_in_the_body_and_an_edit_is_found_at_once(client, team) -> None:
    async def create(title: str, body: str) -> str:
        piece = {"type": "custom", "title": title, "body": body}
        return (await client.post("/api/v1/content", json=piece, headers=team.editor.headers)).json()["id"]

    titled, mentioned = await create("Copper", "metal"), await create("Metal", "some copper in a long text of words")
    assert await ids(client, team, q="copper") == [titled, mentioned]
    assert await ids(client, team, q="copper", sort="-created_at") == [mentioned, titled]
    first = await listed(client, team, q="copper", limit=1)
    rest = await listed(client, team, q="copper", limit=1, cursor=first["next_cursor"])
    assert [piece["id"] for piece in rest["items"]] == [mentioned]
    await client.put(f"/api/v1/content/{titled}", json={"title": "Zinc"}, headers=team.editor.headers)
    assert await ids(client, team, q="copper") == [mentioned]
    assert await ids(client, team, q="zinc") == [titled]


async def test_the_longest_body_of_the_most_words_can_be_kept_and_found(client, team) -> None:
    body = " ".join(chr(0x20000 + n // 200) + chr(0x20000 + n % 200) for n in range(66_000))
    piece = {"type": "custom", "title": "long", "body": body[:200_000]}
    answer = await client.post("/api/v1/content", json=piece, headers=team.editor.headers)
    assert answer.status_code == 201
    assert await ids(client, team, q=body[:2]) == [answer.json()["id"]]


async def test_a_search_never_finds_another_organization_s_words(client, library, make_team) -> None:
    nobody = await make_team()
    for word in WORDS:
        assert await ids(client, nobody, q=word) == []


@pytest.mark.parametrize(
    "asked",
    [
        {"page": 2, "cursor": cursor_of("-created_at", Position(START, new_id()))},
        {"cursor": cursor_of("-updated_at", Position(START, new_id()))},
        {"cursor": cursor_of("-created_at", Position(1.5, new_id()))},
        {"cursor": cursor_of("-quality_score", Position(START, new_id())), "sort": "-quality_score"},
        {"cursor": base64.urlsafe_b64encode(b'["-created_at", "2026-01-01T00:00:00", 7]').decode()},
        {
            "cursor": base64.urlsafe_b64encode(
                json.dumps(["-created_at", "2026-01-01T00:00:00", str(new_id())]).encode()
            ).decode()
        },
        {"cursor": "no such thing"},
        {"cursor": "äöü"},
        {"sort": "-relevance"},
        {"sort": "title; DROP TABLE content"},
        {"q": ""},
        {"q": "a\0b"},
        {"quality_min": 11},
        {"quality_min": "nan"},
        {"created_from": "2026-01-01"},
        {"created_from": "0001-01-01T00:00:00+14:00"},
        {"creator_id": "me"},
    ],
)
async def test_what_cannot_be_asked_of_a_list_is_400(client, team, asked) -> None:
    answer = await client.get("/api/v1/content", params=asked, headers=team.viewer.headers)
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:tallywire:problem:malformed")


def test_a_cursor_comes_back_as_the_position_that_went_in() -> None:
    for sort, key in (("-created_at", START), ("quality_score", 7.125), ("-quality_score", -1.0)):
        position = Position(key, new_id())
        assert position_of(cursor_of(sort, position), sort) == position
