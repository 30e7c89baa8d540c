"""No list, search or read of content without an index, as the role that serves requests, row-level security and all."""

import json
from typing import Any

import asyncpg
import pytest

from api.content import service
from api.content.catalogue import FILTERS, statement
from api.content.cursors import Position, cursor_of
from api.content.filters import ContentListQuery, Sort
from api.reads import Reader, Statement
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


async def touched(connection: asyncpg.Connection, table: str) -> tuple[int, int]:
    """How often this transaction has read a whole table, and how many of its rows it has fetched by an index."""
    told = "SELECT seq_scan, idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = $1"
    return tuple(await connection.fetchrow(told, table))


async def plan_of(app, reader: Reader, asked: Statement) -> Any:
    """The plan by which the API reads: the one for any values."""
    async with app.state.doors.reads._pool.acquire() as connection:
        await connection.execute(f"PREPARE asked AS {asked.sql}")
        of_any = ", ".join(["NULL"] * (len(reader) + len(asked.values)))
        plan = await connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE asked({of_any})")
        await connection.execute("DEALLOCATE asked")
    return json.loads(plan)


@pytest.fixture(scope="module")
async def reader(make_team, superuser) -> Reader:
    """Somebody of one of eight organizations with 2,000 pieces each."""
    teams = [await make_team() for _ in range(8)]
    for team in teams:
        await superuser.execute(_FILL, team.id, team.editor.id)
        await superuser.execute(_ASSIGN, team.id)
        await superuser.execute(_HIRE, team.id)
    await superuser.execute("VACUUM ANALYZE content, content_words, assignments, users")
    return Reader(teams[0].id, teams[0].viewer.id)


def test_every_filter_is_among_what_is_asked() -> None:
    assert VALUES.keys() == FILTERS.keys()


@pytest.mark.parametrize("asked", ASKED)
async def test_no_list_reads_a_whole_table(app, reader, asked) -> None:
    plan = await plan_of(app, reader, statement(ContentListQuery(**ASKED[asked])))
    assert "Index" in json.dumps(plan)
    assert seq_scans(plan) == []


async def test_neither_does_the_reading_of_one_piece(app, reader) -> None:
    assert seq_scans(await plan_of(app, reader, Statement(service._READ, [new_id()]))) == []


async def test_nor_does_the_look_at_its_reader(settings, reader) -> None:
    connection = await asyncpg.connect(settings.postgres_app_url.get_secret_value())
    async with connection.transaction():
        session = new_id()
        let_in = "SELECT entered($1, $2, $3)"
        assert await connection.fetchval(let_in, *reader) == reader.organization_id
        assert await connection.fetchval(let_in, reader.organization_id, reader.user_id, session) is None
        assert await touched(connection, "users") == (0, 2)
        assert (await touched(connection, "sessions"))[0] == 0
    await connection.close()


async def test_what_is_due_is_found_without_a_look_at_what_waits(settings, reader, superuser) -> None:
    wait = "UPDATE content SET status = 'approved', scheduled_at = now() + interval '1 day' WHERE organization_id = $1"
    others_wait = """
    UPDATE content SET scheduled_at = now() + interval '1 day' WHERE scheduled_at < now();
    UPDATE commands_aside SET due_at = now() + interval '1 day' WHERE due_at < now()
    """
    aside = """
    INSERT INTO commands_aside (id, key, type, body, attempts, due_at, reason, detail)
    SELECT uuidv7(), n::text, 't', '', 1, now() + interval '1 day', '', '' FROM generate_series(1, 2000) AS n
    """
    async with superuser.acquire() as connection:
        going_back = connection.transaction()
        await going_back.start()
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute(others_wait)
        await connection.execute(wait, reader.organization_id)
        await connection.execute(aside)
        before = {table: (await touched(connection, table))[1] for table in ("content", "commands_aside")}
        assert await connection.fetch("SELECT * FROM claim_due_content()") == []
        assert await connection.fetch("SELECT * FROM claim_due_command()") == []
        after = {table: (await touched(connection, table))[1] for table in ("content", "commands_aside")}
        await going_back.rollback()
    assert after == before


async def test_nor_does_the_search_inside_its_function(settings, reader) -> None:
    owner = await asyncpg.connect(settings.postgres_url.get_secret_value())
    sql = await owner.fetchval("SELECT prosrc FROM pg_proc WHERE proname = 'search_content'")
    async with owner.transaction():
        await owner.execute("SELECT set_config('app.organization_id', $1, true)", str(reader.organization_id))
        plan = await explained(owner, sql.replace("question", "'piece -7'"))
    await owner.close()
    assert seq_scans(plan) == []
    assert "content_words_of_organization" in json.dumps(plan)


async def test_a_question_without_an_index_would_be_noticed(superuser, reader) -> None:
    async with superuser.acquire() as connection:
        assert seq_scans(await explained(connection, "SELECT id FROM content WHERE title = 'Piece 7'")) == ["content"]
