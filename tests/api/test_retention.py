"""What is long over is forgotten, of every organization; what is in force, or has not been over for long, stays."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

import wire.postgres
from api.worker.carry_out import forget

SECRET = "sha256(uuidv7()::text::bytea)"
TABLES = {
    "sessions": (
        30,
        "INSERT INTO sessions (id, organization_id, user_id, method, user_agent, address, expires_at, ended_at,"
        " end_reason) SELECT uuidv7(), $1, $2, 'password', '', '', $3, at, CASE WHEN at IS NOT NULL THEN 'x' END"
        " FROM (SELECT $4::timestamptz AS at) AS ended",
    ),
    "password_resets": (
        30,
        "INSERT INTO password_resets (organization_id, user_id, token_hash, made_by, expires_at, used_at)"
        f" VALUES ($1, $2, {SECRET}, $2, $3, $4)",
    ),
    "invitations": (
        90,
        "INSERT INTO invitations (organization_id, email, role, token_hash, invited_by, expires_at, accepted_at)"
        f" VALUES ($1, 'a@b.example', 'viewer', {SECRET}, $2, $3, $4)",
    ),
    "api_keys": (
        90,
        "INSERT INTO api_keys (organization_id, user_id, name, key_hash, scopes, expires_at, revoked_at)"
        f" VALUES ($1, $2, 'k', {SECRET}, '{{}}', $3, $4)",
    ),
}
"""For how many days each keeps what is over, and how one is made: of whom, when it expires, when it was ended."""


@pytest.fixture
async def pool(settings) -> AsyncIterator[asyncpg.Pool]:
    made = await wire.postgres.pool(settings.postgres_app_url)
    yield made
    await made.close()


@pytest.mark.parametrize("table", TABLES)
async def test_what_is_long_over_is_forgotten_and_nothing_else(team, strangers, superuser, pool, table) -> None:
    days, insert = TABLES[table]
    now = datetime.now(UTC)
    later, long_ago = now + timedelta(days=1), now - timedelta(days=days, minutes=1)
    lately = now - timedelta(days=days, minutes=-1)
    for whose in (team, strangers):
        for expires_at, ended_at in (
            (long_ago, None),
            (later, long_ago),
            (lately, None),
            (later, lately),
            (later, None),
        ):
            await superuser.execute(insert, whose.id, whose.editor.id, expires_at, ended_at)
    await forget(pool)
    for whose in (team, strangers):
        left = await superuser.fetch(f"SELECT expires_at FROM {table} WHERE organization_id = $1", whose.id)
        assert sorted(row["expires_at"] for row in left) == [lately, later, later]


async def test_refresh_tokens_go_with_their_session(client, team, superuser, pool) -> None:
    form = {"username": team.editor.email, "password": "correct horse battery staple"}
    signed = [(await client.post("/api/v1/auth/token", data=form)).json() for _ in range(2)]
    of = "SELECT id FROM sessions WHERE user_id = $1 ORDER BY created_at"
    first, second = [row["id"] for row in await superuser.fetch(of, team.editor.id)]
    await superuser.execute("UPDATE sessions SET expires_at = now() - interval '31 days' WHERE id = $1", first)
    await forget(pool)
    left = await superuser.fetch("SELECT session_id FROM refresh_tokens WHERE organization_id = $1", team.id)
    assert [row["session_id"] for row in left] == [second]
    again = {"refresh_token": signed[1]["refresh_token"]}
    assert (await client.post("/api/v1/auth/refresh", json=again)).status_code == 200
