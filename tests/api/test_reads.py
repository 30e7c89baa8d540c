"""What is read most goes its own way in, and asks the same of its caller as everything else."""

import asyncio

import asyncpg
import pytest

from api.auth.tokens import LIFETIME_SECONDS, Tokens
from api.errors import Unauthenticated, Unavailable
from api.reads import Reader, Statement, confined
from tests.api.conftest import PASSWORD
from wire.ids import new_id

PIECE = {"type": "custom", "title": "t"}


async def test_a_token_that_was_remembered_is_over_when_it_is_over(app) -> None:
    now = [1_800_000_000.0]
    tokens = Tokens(app.state.doors.tokens._keys, now=lambda: now[0])
    token = tokens.issue(new_id(), new_id(), new_id())
    first = tokens.read(token)
    now[0] += LIFETIME_SECONDS - 1
    assert tokens.read(token) is first
    now[0] += 2
    with pytest.raises(Unauthenticated):
        tokens.read(token)


async def test_who_has_signed_out_reads_no_more_with_the_token_of_that_session(client, team) -> None:
    form = {"username": team.viewer.email, "password": PASSWORD}
    token = (await client.post("/api/v1/auth/token", data=form)).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    assert (await client.get("/api/v1/content", headers=headers)).status_code == 200
    assert (await client.post("/api/v1/auth/sign-out", headers=headers)).is_success
    for path in ("/api/v1/content", f"/api/v1/content/{new_id()}"):
        assert (await client.get(path, headers=headers)).status_code == 401


async def test_a_key_and_a_visit_read_what_they_may_and_nothing_else(client, team, strangers) -> None:
    piece = (await client.post("/api/v1/content", json=PIECE, headers=team.editor.headers)).json()["id"]
    address = f"/api/v1/content/{piece}"
    asked = {"name": "k", "scopes": []}
    for people, status in ((team, 200), (strangers, 404)):
        key = (await client.post("/api/v1/api-keys", json=asked, headers=people.viewer.headers)).json()["key"]
        headers = {"Authorization": f"Bearer {key}"}
        assert (await client.get(address, headers=headers)).status_code == status
        assert (await client.get("/api/v1/content", headers=headers)).json()["total"] == (status == 200)
    forged = {"Authorization": f"Bearer {key[:-4]}AAAA"}
    assert (await client.get(address, headers=forged)).status_code == 401
    visiting = {**strangers.super_admin.headers, "X-Tallywire-Organization": str(team.id)}
    assert (await client.get(address, headers=visiting)).status_code == 200
    assert (await client.get(address, headers=strangers.super_admin.headers)).status_code == 404


async def test_a_connection_that_goes_from_hand_to_hand_shows_each_only_its_own(app, client, team, strangers) -> None:
    for people in (team, strangers):
        await client.post("/api/v1/content", json=PIECE, headers=people.editor.headers)

    async def look(organization, user) -> set:
        question = "SELECT organization_id FROM content"
        try:
            rows = await app.state.doors.reads.rows(Reader(organization, user), Statement(confined(question), []))
        except Unauthenticated:
            return set()
        return {row[0] for row in rows}

    looks = [(team.id, team.viewer.id), (strangers.id, strangers.viewer.id), (strangers.id, team.viewer.id)]
    found = await asyncio.gather(*(look(*one) for one in looks * 20))
    assert found[0::3] == [{team.id}] * 20
    assert found[1::3] == [{strangers.id}] * 20
    assert found[2::3] == [set()] * 20


async def test_a_connection_that_reads_neither_writes_nor_keeps_whose_it_was(app, team) -> None:
    reader = Reader(team.id, team.viewer.id)
    writes = "WITH changed AS (UPDATE content SET title = 't' RETURNING id) SELECT entered($1, $2, $3), id FROM changed"
    with pytest.raises(Unavailable) as raised:
        await app.state.doors.reads.rows(reader, Statement(writes, []))
    assert isinstance(raised.value.__cause__, asyncpg.ReadOnlySQLTransactionError)
    unasked = "SELECT current_organization(), $1::uuid, $2::uuid, $3::uuid"
    rows = await asyncio.gather(*(app.state.doors.reads.rows(reader, Statement(unasked, [])) for _ in range(20)))
    assert {row["current_organization"] for (row,) in rows} == {None}


async def test_who_is_suspended_or_inactive_reads_no_more_from_the_next_request_on(client, team, superuser) -> None:
    set_status = "UPDATE users SET status = $2::user_status WHERE id = $1"
    for status, answered in (("suspended", 401), ("active", 200), ("inactive", 401), ("active", 200)):
        await superuser.execute(set_status, team.viewer.id, status)
        answer = await client.get("/api/v1/content", headers=team.viewer.headers)
        assert answer.status_code == answered
