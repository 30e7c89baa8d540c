"""No list, search or read of content without an index, as the role that serves requests, row-level security and all."""

import json
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from api.auth.reader import proof_of, reading
from api.auth.tokens import Claims
from api.content import service
from api.content.catalogue import FILTERS, statement
from api.content.cursors import Position, cursor_of
from api.content.filters import ContentListQuery, Sort
from wire.ids import new_id

AT = "2026-11-01T00:00:00Z"
VALUES: dict[str, Any] = {
    "status": "draft",
    "platform": "web",
    "type": "custom",
    "creator_id": new_id(),
    "assignee_id": new_id(),
    "compliance_status": "pending",
    **{f"{name}_{end}": AT for name in ("created", "updated", "published") for end in ("from", "to")},
    "quality_min": 1,
    "quality_max": 9,
}
ASKED: dict[str, dict[str, Any]] = {
    "everything": {},
    "a late page": {"page": 40},
    **{f"by {name}": {name: value} for name, value in VALUES.items()},
    **{f"sorted by {sort}": {"sort": sort, "q": "piece"} for sort in Sort},
    **{f"sorted by {sort}, no search": {"sort": sort} for sort in Sort if sort is not Sort.RELEVANCE},
    "after a cursor": {
        "cursor": cursor_of("-created_at", Position(ContentListQuery(created_to=AT).created_to, new_id()))
    },  # type: ignore[arg-type]
    "all at once": {**VALUES, "q": "piece", "sort": "-relevance"},
}
_FILL = """
INSERT INTO content (id, organization_id, creator_id, type, title)
SELECT uuidv7(), $1, $2, 'custom', 'Piece ' || n FROM generate_series(1, 2000) AS n
"""
_ASSIGN = """
INSERT INTO assignments (organization_id, content_id, user_id, assigned_by)
SELECT organization_id, id, creator_id, creator_id FROM content WHERE organization_id = $1
"""
_HIRE = """
INSERT INTO users (organization_id, email, role, password_hash)
SELECT $1::uuid, n || '@' || $1::uuid || '.example', 'viewer', '' FROM generate_series(1, 300) AS n
"""


def seq_scans(plan: Any) -> list[str]:
    """The tables that a plan reads from one end to the other."""
    if isinstance(plan, list):
        return [name for part in plan for name in seq_scans(part)]
    if not isinstance(plan, dict):
        return []
    own = [plan["Relation Name"]] if plan.get("Node Type") == "Seq Scan" else []
    return own + [name for part in plan.values() for name in seq_scans(part)]


async def explained(connection: asyncpg.Connection, sql: str, *values: object) -> Any:
    return json.loads(await connection.fetchval(f"EXPLAIN (FORMAT JSON) {sql}", *values))


@pytest.fixture(scope="module")
async def claims(make_team, superuser) -> Claims:
    """Somebody of one of eight organizations with 2,000 pieces each."""
    teams = [await make_team() for _ in range(8)]
    for team in teams:
        await superuser.execute(_FILL, team.id, team.editor.id)
        await superuser.execute(_ASSIGN, team.id)
        await superuser.execute(_HIRE, team.id)
    await superuser.execute("VACUUM ANALYZE content, content_words, assignments, users")
    return Claims(teams[0].viewer.id, teams[0].id)


def test_every_filter_is_among_what_is_asked() -> None:
    assert VALUES.keys() == FILTERS.keys()


@pytest.mark.parametrize("asked", ASKED)
async def test_no_list_reads_a_whole_table(app, claims, asked) -> None:
    sql, values = statement(claims.organization_id, ContentListQuery(**ASKED[asked]))
    async with reading(app.state.doors, claims) as connection:
        plan = await explained(connection, sql, *values)
    assert "Index" in json.dumps(plan)
    assert seq_scans(plan) == []


async def test_neither_does_the_reading_of_one_piece_nor_the_look_at_its_reader(app, claims) -> None:
    async with reading(app.state.doors, claims) as connection:
        plans = [await explained(connection, service._READ, new_id(), claims.organization_id)]
        plans.append(await explained(connection, proof_of(replace(claims, session_id=new_id()))))
    assert seq_scans(plans) == []


async def test_nor_does_the_search_inside_its_function(settings, claims) -> None:
    owner = await asyncpg.connect(settings.postgres_url.get_secret_value())
    sql = await owner.fetchval("SELECT prosrc FROM pg_proc WHERE proname = 'search_content'")
    async with owner.transaction():
        await owner.execute("SELECT set_config('app.organization_id', $1, true)", str(claims.organization_id))
        plan = await explained(owner, sql.replace("question", "'piece -7'"))
    await owner.close()
    assert seq_scans(plan) == []
    assert "content_words_of_organization" in json.dumps(plan)


async def test_a_question_without_an_index_would_be_noticed(superuser, claims) -> None:
    async with superuser.acquire() as connection:
        assert seq_scans(await explained(connection, "SELECT id FROM content WHERE title = 'Piece 7'")) == ["content"]
