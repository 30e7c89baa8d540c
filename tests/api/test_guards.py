"""Plain SQL as the roles that serve: nobody brings a text in as published, nobody is made somebody, but by who may."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from wire.ids import new_id

REFUSED = (asyncpg.InsufficientPrivilegeError, asyncpg.CheckViolationError)
NO_ADMINS = ("nobody", "viewer", "editor", "approver", "stranger")
ELSEWHERE = {"source_ref": "x", "type": "custom", "title": "t", "body": "b", "platforms": [], "status": "published"}


@asynccontextmanager
async def entered(url: Any, organization_id: UUID, actor: UUID | None) -> AsyncIterator[asyncpg.Connection]:
    """A transaction of a role's, in somebody's name, that never commits."""
    connection = await asyncpg.connect(url.get_secret_value())
    undone = connection.transaction()
    await undone.start()
    names = {"app.organization_id": str(organization_id), "app.user_id": str(actor or "")}
    for name, value in names.items():
        await connection.execute("SELECT set_config($1, $2, true)", name, value)
    yield connection
    await connection.close()


def person(team, strangers, who: str) -> UUID | None:
    """`nobody`, somebody of the team, or the administrator of another."""
    return {"nobody": None, "stranger": strangers.org_admin.id}.get(who) or (
        team.people[who].id if who in team.people else None
    )


async def refused(connection: asyncpg.Connection, sql: str, *values: Any) -> bool:
    try:
        async with connection.transaction():
            await connection.execute(sql, *values)
    except REFUSED:
        return True
    return False


IMPORTED = """
INSERT INTO content (id, organization_id, creator_id, type, title, status, origin, source_ref)
VALUES ($1, $2, $3, 'custom', 't', '{status}', 'imported', 'by hand')
"""


@pytest.mark.parametrize("status", ["published", "archived", "draft"])
async def test_who_serves_requests_brings_nothing_in_even_in_an_administrator_s_name(
    settings, names, team, status
) -> None:
    admin = team.org_admin.id
    async with entered(settings.postgres_app_url, team.id, admin) as as_app:
        assert await refused(as_app, IMPORTED.format(status=status), new_id(), team.id, admin)
        pieces = json.dumps([{"id": str(new_id()), **ELSEWHERE, "status": status}])
        assert await refused(as_app, "SELECT import_content($1)", pieces)
        assert await refused(as_app, f"SET LOCAL ROLE {names['import']}")


@pytest.mark.parametrize("change", ["origin = 'imported', source_ref = 'x'", "creator_id = id", "created_at = now()"])
async def test_who_serves_requests_does_not_change_where_a_piece_came_from(settings, team, change) -> None:
    async with entered(settings.postgres_app_url, team.id, team.org_admin.id) as as_app:
        assert await refused(as_app, f"UPDATE content SET {change}")


async def test_who_imports_may_do_that_alone_and_only_in_an_administrator_s_name(settings, team, strangers) -> None:
    for who in (*NO_ADMINS, "org_admin", "super_admin"):
        async with entered(settings.postgres_import_url, team.id, person(team, strangers, who)) as importing:
            pieces = json.dumps([{"id": str(new_id()), **ELSEWHERE}])
            assert await refused(importing, "SELECT import_content($1)", pieces) is (who in NO_ADMINS), who
            for forbidden in (
                IMPORTED.format(status="published").replace("$1, $2, $3", "uuidv7(), uuidv7(), uuidv7()"),
                "UPDATE content SET status = 'archived'",
                "DELETE FROM content",
                "SELECT id FROM users",
                "UPDATE users SET role = 'approver'",
                "INSERT INTO approvals (decision) VALUES ('approved')",
                "SELECT append_audit(uuidv7(), uuidv7(), '', uuidv7(), '{}')",
            ):
                assert await refused(importing, forbidden), forbidden


BY_HAND = {
    "a role": "UPDATE users SET role = 'approver' WHERE role = 'viewer'",
    "one's own role": "UPDATE users SET role = 'org_admin' WHERE id = current_actor()",
    "a status": "UPDATE users SET status = 'active' WHERE role = 'approver'",
    "a policy": "INSERT INTO approval_policies (organization_id, type, steps, expires_after)"
    " VALUES (current_organization(), 'custom', '{approver}', '1 year')",
    "an invitation": "INSERT INTO invitations (organization_id, email, role, token_hash, invited_by, expires_at)"
    " VALUES (current_organization(), 'n@n.example', 'viewer', sha256('x'), uuidv7(), now() + interval '1 day')",
}


@pytest.mark.parametrize("deed", BY_HAND)
async def test_roles_and_policies_are_given_in_an_administrator_s_name_only(settings, team, strangers, deed) -> None:
    for who in (*NO_ADMINS, "org_admin", "super_admin"):
        actor = person(team, strangers, who)
        async with entered(settings.postgres_app_url, team.id, actor) as as_app:
            nothing_to_do = deed == "one's own role" and who in {"nobody", "stranger"}
            expected = who in NO_ADMINS and not nothing_to_do
            assert await refused(as_app, BY_HAND[deed]) is expected, who


async def test_no_administrator_makes_or_unmakes_a_super_admin(settings, team, strangers) -> None:
    made = BY_HAND["an invitation"].replace("'viewer'", "'super_admin'")
    for deed in (
        "UPDATE users SET role = 'super_admin' WHERE role = 'viewer'",
        "UPDATE users SET role = 'viewer' WHERE role = 'super_admin'",
        "UPDATE users SET status = 'suspended' WHERE role = 'super_admin'",
        made,
    ):
        for who, expected in (("org_admin", True), ("super_admin", False)):
            async with entered(settings.postgres_app_url, team.id, team.people[who].id) as as_app:
                assert await refused(as_app, deed) is expected, (deed, who)


async def test_nobody_joins_but_by_an_open_invitation_to_that_role(settings, client, team) -> None:
    address = f"{new_id()}@people.example"
    guest = {"email": address, "role": "viewer"}
    answer = await client.post("/api/v1/invitations", json=guest, headers=team.org_admin.headers)
    assert answer.status_code == 201
    join = """
        INSERT INTO users (id, email, organization_id, role, password_hash)
        VALUES (uuidv7(), $1, current_organization(), $2::text::user_role, '')
    """
    end = "UPDATE invitations SET {}_at = {} WHERE email = $1"
    async with entered(settings.postgres_app_url, team.id, team.org_admin.id) as as_app:
        assert await refused(as_app, join, address, "approver")
        assert await refused(as_app, join, f"other-{address}", "viewer")
        assert not await refused(as_app, end.format("revoked", "now()"), address)
        assert await refused(as_app, join, address, "viewer")
        assert await refused(as_app, end.format("revoked", "NULL"), address)
    async with entered(settings.postgres_app_url, team.id, None) as as_app:
        assert not await refused(as_app, join, address, "viewer")


async def test_who_is_made_a_viewer_at_the_same_moment_changes_nobody_s_role(client, team, superuser) -> None:
    async with superuser.acquire() as connection, connection.transaction():
        await connection.execute("SELECT FROM organizations WHERE id = $1 FOR UPDATE", team.id)
        address = f"/api/v1/users/{team.viewer.id}"
        asked = client.patch(address, json={"role": "approver"}, headers=team.org_admin.headers)
        waiting = asyncio.create_task(asked)
        waits = (
            "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid)))"
        )
        while not await connection.fetchval(waits):  # noqa: ASYNC110 - another process decides when
            await asyncio.sleep(0.01)
        await connection.execute("UPDATE users SET role = 'viewer' WHERE id = $1", team.org_admin.id)
    assert (await waiting).status_code == 403
    assert await superuser.fetchval("SELECT role::text FROM users WHERE id = $1", team.viewer.id) == "viewer"
