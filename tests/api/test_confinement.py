"""What PostgreSQL itself refuses, whatever the code above it does."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import create_async_engine

from api import migrations
from api.app import create_app
from api.db import Base
from api.migrations.roles import ensure_role, scram_verifier
from wire.ids import new_id


@pytest.fixture
async def as_app(settings) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(settings.postgres_app_url.get_secret_value())
    yield connection
    await connection.close()


@pytest.fixture
async def as_relay(settings) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(settings.postgres_relay_url.get_secret_value())
    yield connection
    await connection.close()


@pytest.fixture
async def as_owner(settings) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(settings.postgres_url.get_secret_value())
    yield connection
    await connection.close()


async def test_every_table_of_an_organization_has_row_level_security_and_forces_it(superuser) -> None:
    rows = await superuser.fetch("""
        SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity AS confined,
               EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polcmd = '*') AS has_policy
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND (c.relname = 'organizations' OR EXISTS (
            SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'organization_id'))
    """)
    assert {row["relname"] for row in rows} >= {"organizations", "users", "content", "write_keys", "outbox"}
    assert [row["relname"] for row in rows if not (row["confined"] and row["has_policy"])] == []


async def test_what_may_look_across_organizations_is_known_by_name_and_finds_only_our_own_tables(superuser) -> None:
    rows = await superuser.fetch("""
        SELECT p.proname, array_to_string(p.proconfig, ' ') AS settings,
               has_function_privilege('public', p.oid, 'execute') AS for_everybody
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'public' AND p.prosecdef
    """)
    assert {row["proname"] for row in rows} >= {"sign_in_of", "append_audit"}
    for row in rows:
        assert "search_path=pg_catalog, public, pg_temp" in (row["settings"] or ""), row["proname"]
        assert not row["for_everybody"], row["proname"]


async def test_the_serving_roles_own_nothing_and_are_exempt_from_nothing(superuser, names) -> None:
    roles = [names["app"], names["relay"], names["import"]]
    rows = await superuser.fetch("SELECT * FROM pg_roles WHERE rolname = ANY ($1)", roles)
    assert len(rows) == 3
    for row in rows:
        assert not any(row[right] for right in ("rolsuper", "rolbypassrls", "rolcreaterole", "rolcreatedb"))
    owned = """
        SELECT count(*) FROM pg_shdepend d JOIN pg_roles r ON r.oid = d.refobjid
        WHERE d.deptype = 'o' AND rolname = ANY ($1)
    """
    assert await superuser.fetchval(owned, roles) == 0


async def test_the_owner_is_an_ordinary_role_and_is_confined_too(as_owner, team) -> None:
    assert await as_owner.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
    for table in ("organizations", "users", "content", "write_keys", "outbox"):
        assert await as_owner.fetchval(f"SELECT count(*) FROM {table}") == 0


async def test_without_an_organization_the_app_sees_no_row_and_with_one_its_own(as_app, team, strangers) -> None:
    assert await as_app.fetchval("SELECT count(*) FROM users") == 0
    async with as_app.transaction():
        await as_app.execute("SELECT set_config('app.organization_id', $1, true)", str(team.id))
        assert await as_app.fetchval("SELECT count(*) FROM users") == 5
        assert await as_app.fetchval("SELECT count(*) FROM users WHERE organization_id = $1", strangers.id) == 0
    assert await as_app.fetchval("SELECT count(*) FROM users") == 0


async def test_the_app_cannot_write_into_another_organization(as_app, team, strangers) -> None:
    insert = "INSERT INTO content (id, organization_id, creator_id, type, title) VALUES ($1, $2, $3, 'custom', 't')"
    await as_app.execute("SELECT set_config('app.organization_id', $1, false)", str(team.id))
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await as_app.execute(insert, new_id(), strangers.id, strangers.editor.id)
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await as_app.execute(insert, new_id(), team.id, strangers.editor.id)


async def test_the_app_cannot_read_password_hashes_but_through_the_one_function(as_app, as_relay, team) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await as_app.fetch("SELECT password_hash FROM users")
    row = await as_app.fetchrow("SELECT * FROM sign_in_of($1)", team.viewer.email)
    assert (row["user_id"], row["organization_id"], row["status"]) == (team.viewer.id, team.id, "active")
    assert await as_app.fetchval("SELECT count(*) FROM sign_in_of('nobody@nowhere.example')") == 0
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await as_relay.fetch("SELECT * FROM sign_in_of($1)", team.viewer.email)


async def test_switching_the_sign_in_policy_on_by_hand_shows_the_app_nothing(as_app, team) -> None:
    async with as_app.transaction():
        await as_app.execute("SELECT set_config('app.signing_in', 'on', true)")
        assert await as_app.fetchval("SELECT count(*) FROM users") == 0


async def test_the_relay_sees_the_outbox_of_all_and_may_only_mark_it(as_relay, client, team, strangers) -> None:
    for editor in (team.editor, strangers.editor):
        await client.post("/api/v1/content", json={"type": "custom", "title": "t"}, headers=editor.headers)
    seen = await as_relay.fetchval(
        "SELECT count(DISTINCT organization_id) FROM outbox WHERE organization_id = ANY ($1)", [team.id, strangers.id]
    )
    assert seen == 2
    assert (
        await as_relay.execute("UPDATE outbox SET published_at = now() WHERE organization_id = $1", team.id)
        == "UPDATE 1"
    )
    assert await as_relay.fetchval("SELECT count(*) FROM content WHERE organization_id = $1", team.id) == 1
    assert await as_relay.execute("DELETE FROM outbox WHERE organization_id = $1", team.id) == "DELETE 0"
    for forbidden in (
        "UPDATE outbox SET body = ''",
        "SELECT title FROM content",
        "UPDATE write_keys SET name = ''",
        "SELECT email FROM users",
        "INSERT INTO processed_commands VALUES (uuidv7())",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await as_relay.execute(forbidden)


async def test_writing_the_outbox_notifies_the_relay_once_a_statement(as_relay, client, team) -> None:
    told: asyncio.Queue[str] = asyncio.Queue()
    await as_relay.add_listener("outbox", lambda *_: told.put_nowait("outbox"))
    pieces = [{"source_ref": str(n), "type": "custom", "title": "t"} for n in range(20)]
    await client.post("/api/v1/content/bulk", json={"pieces": pieces}, headers=team.org_admin.headers)
    await asyncio.wait_for(told.get(), 5)
    await as_relay.execute("SELECT 1")
    assert told.empty()


async def test_the_mapped_tables_are_the_migrated_ones(settings) -> None:
    engine = create_async_engine(
        settings.postgres_url.get_secret_value().replace("postgresql://", "postgresql+asyncpg://")
    )
    create_app(settings)
    mapped = Base.metadata

    def compare(connection: object) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return compare_metadata(context, mapped)

    async with engine.connect() as connection:
        differences = await connection.run_sync(compare)
    await engine.dispose()
    unmapped = {"users.password_hash"}
    expected_kinds = {"remove_table", "remove_index", "remove_constraint", "remove_fk"}
    left = [
        one
        for one in differences
        if isinstance(one, list)
        or (one[0] not in expected_kinds and f"{one[2]}.{getattr(one[3], 'name', '')}" not in unmapped)
    ]
    assert left == []


async def test_migrating_again_and_twice_at_once_changes_nothing(settings, superuser) -> None:
    newest = ScriptDirectory(str(Path(migrations.__file__).parent)).get_current_head()
    environment = {
        **os.environ,
        **{
            f"TALLYWIRE_{name.upper()}": getattr(settings, name).get_secret_value()
            for name in ("postgres_url", "postgres_app_url", "postgres_relay_url", "postgres_import_url")
        },
    }
    migrating = [
        await asyncio.create_subprocess_exec(sys.executable, "-m", "api", "migrate", env=environment) for _ in range(2)
    ]
    assert [await one.wait() for one in migrating] == [0, 0]
    assert await superuser.fetch("SELECT version_num FROM alembic_version") == [(newest,)]


async def test_a_role_that_row_level_security_would_not_confine_is_refused(as_owner, settings) -> None:
    with pytest.raises(ValueError, match="not confined"):
        await ensure_role(as_owner, settings.postgres_url)


async def test_a_changed_password_in_the_url_is_taken_over_by_the_next_migration(
    as_owner, superuser, settings, names
) -> None:
    role = f"{names['app']}_other"
    for password in ("first", "second"):
        url = settings.postgres_app_url.get_secret_value().split("@")[1]
        given = SecretStr(f"postgresql://{role}:{password}@{url}")
        await ensure_role(as_owner, given)
        await (await asyncpg.connect(given.get_secret_value())).close()
    await superuser.execute(f"DROP ROLE {role}")


def test_a_verifier_is_the_one_of_rfc_7677() -> None:
    import base64

    made = scram_verifier("pencil", base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="))
    stored, server = made.split("$")[2].split(":")
    assert made.startswith("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$")
    assert stored == "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
    assert server == "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
