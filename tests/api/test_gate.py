"""No sequence of calls, commands and plain SQL publishes a text without valid approvals."""

from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

import wire.postgres
from api.worker.carry_out import carry_out, decode

CALLS = st.tuples(
    st.sampled_from(["submit", "approve", "reject", "return", "publish", "archive", "restore"]),
    st.sampled_from(["org_admin", "editor", "approver"]),
)
EDITS = st.tuples(st.just("edit"), st.sampled_from(["org_admin", "editor"]))
SQL = {
    "publish": "UPDATE content SET status = 'published' WHERE id = $1",
    "approve": "UPDATE content SET status = 'approved' WHERE id = $1",
    "slip": "UPDATE content SET body = body || '!' WHERE id = $1",
    "rewind": "UPDATE content SET status = 'approved', body = 'first' WHERE id = $1",
}
STEPS = st.lists(
    CALLS | EDITS | st.tuples(st.just("sql"), st.sampled_from(sorted(SQL))) | st.tuples(st.just("work"), st.just("")),
    min_size=3,
    max_size=14,
)
VALID = """
SELECT c.status <> 'published' OR EXISTS (
    SELECT FROM approvals a WHERE a.content_id = c.id AND a.revision = c.revision AND a.decision = 'approved'
    AND a.voided_at IS NULL AND a.sha256 = content_sha256(c.type, c.title, c.body, c.platforms)
    AND a.approver_id NOT IN (SELECT author_id FROM content_revisions r WHERE r.content_id = c.id))
FROM content c WHERE id = $1
"""


async def run(client, team, app_pool, superuser, piece: str, step: tuple[str, str]) -> None:
    kind, which = step
    headers = {} if kind in ("sql", "work") else team.people[which].headers
    if kind == "sql":
        async with app_pool.acquire() as connection:
            try:
                async with connection.transaction():
                    await connection.execute("SELECT set_config('app.organization_id', $1, true)", str(team.id))
                    await connection.execute(SQL[which], UUID(piece))
            except asyncpg.CheckViolationError:
                return
    elif kind == "work":
        asked = "SELECT body FROM outbox WHERE key = $1 AND type = 'content.publish' ORDER BY id"
        for row in await superuser.fetch(asked, piece):
            await carry_out(app_pool, decode(row["body"]))
    elif kind == "edit":
        await client.put(f"/api/v1/content/{piece}", json={"body": "other"}, headers=headers)
    else:
        body = {"reason": "no"} if kind == "reject" else None
        answer = await client.post(f"/api/v1/content/{piece}/{kind}", json=body, headers=headers)
        assert answer.status_code < 500


@pytest.fixture(scope="module")
async def app_pool(settings):
    made = await wire.postgres.pool(settings.postgres_app_url)
    yield made
    await made.close()


@pytest.fixture(scope="module")
async def one_team(make_team):
    return await make_team()


async def new_piece(client, app, team) -> str:
    await app.state.doors.redis.flushdb()
    body = {"type": "custom", "title": "t", "body": "first"}
    return (await client.post("/api/v1/content", json=body, headers=team.editor.headers)).json()["id"]


@examples(max_examples=60, suppress_health_check=list(HealthCheck))
@given(steps=STEPS)
async def test_no_sequence_publishes_a_text_without_valid_approvals(
    client, app, one_team, app_pool, superuser, steps
) -> None:
    piece = await new_piece(client, app, one_team)
    for step in steps:
        await run(client, one_team, app_pool, superuser, piece, step)
        assert await superuser.fetchval(VALID, UUID(piece)), step
