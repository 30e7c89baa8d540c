"""No sequence of calls, commands and plain SQL publishes a text without valid approvals; and the proof that this looks.

A state machine drives one piece through the API, the worker and PostgreSQL, as the role that serves requests, while
policies change, people are suspended and time passes. What is lawful is counted here, in Python, from the rows. The
same machine must find a way through each gate that was broken on purpose.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx2
import msgspec
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase
from hypothesis import settings as examples
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from pydantic import SecretStr

import wire.postgres
from api.app import create_app
from api.content.revisions import digest
from api.migrate import migrate
from api.worker.carry_out import carry_out, decode
from api.worker.schedule import issue_next
from wire.commands import Command, PublishContent
from wire.errors import Poison
from wire.ids import new_id

WRITERS = st.sampled_from(["org_admin", "editor"])
JUDGES = st.sampled_from(["super_admin", "org_admin", "approver"])
EVERYBODY = st.sampled_from(["super_admin", "org_admin", "editor", "approver", "viewer"])
ADMINS = {"org_admin", "super_admin"}
FORGED = """
INSERT INTO approvals (organization_id, content_id, revision, sha256, approver_id, decision)
SELECT organization_id, id, revision, content_sha256(type, title, body, platforms), {approver}, 'approved'
FROM content WHERE id = $1
"""
SQL = {
    "publish": "UPDATE content SET status = 'published' WHERE id = $1",
    "publish another text": "UPDATE content SET status = 'published', body = 'slipped' WHERE id = $1",
    "publish as imported": "UPDATE content SET status = 'published', origin = 'imported', source_ref = 'x' WHERE id=$1",
    "bring another in as published": """
        INSERT INTO content (id, organization_id, creator_id, type, title, status, origin, source_ref)
        SELECT uuidv7(), organization_id, creator_id, type, title, 'published', 'imported', 'x'
        FROM content WHERE id = $1
    """,
    "import": "SELECT import_content('[]')",
    "make everybody an approver": "UPDATE users SET role = 'approver'",
    "bring the suspended back": "UPDATE users SET status = 'active'",
    "ask for less": "UPDATE approval_policies SET steps = '{approver}', expires_after = '1 year'",
    "approve": "UPDATE content SET status = 'approved', compliance_status = 'approved' WHERE id = $1",
    "edit": "UPDATE content SET body = body || '!' WHERE id = $1",
    "edit with a number": "UPDATE content SET body = 'slipped', revision = revision + 1 WHERE id = $1",
    "edit as a draft": "UPDATE content SET body = 'slipped', revision = revision + 1, status = 'draft' WHERE id = $1",
    "rewind": "UPDATE content SET body = 'first', revision = 1, status = 'draft' WHERE id = $1",
    "disown": "UPDATE content SET creator_id = (SELECT id FROM users WHERE role = 'viewer') WHERE id = $1",
    "forge an approval": FORGED.format(approver="(SELECT id FROM users WHERE role = 'approver')"),
    "approve by the author": FORGED.format(approver="creator_id"),
    "bring back what was voided": "UPDATE approvals SET voided_at = NULL WHERE content_id = $1",
    "date an approval": "UPDATE approvals SET created_at = now() WHERE content_id = $1",
    "give an approval to another": "UPDATE approvals SET approver_id = uuidv7() WHERE content_id = $1",
    "change a revision": "UPDATE content_revisions SET author_id = uuidv7() WHERE content_id = $1",
    "forge a revision": """
        INSERT INTO content_revisions
            (organization_id, content_id, revision, sha256, title, body, type, platforms, author_id)
        SELECT organization_id, id, revision, content_sha256(type, title, body, platforms), title, body, type,
               platforms, (SELECT id FROM users WHERE role = 'viewer') FROM content WHERE id = $1
    """,
    "forget who wrote": "DELETE FROM content_revisions WHERE content_id = $1",
    "delete": "DELETE FROM content WHERE id = $1",
    "open the gate": "ALTER TABLE content DISABLE TRIGGER ALL",
}
REFUSED = (asyncpg.CheckViolationError, asyncpg.InsufficientPrivilegeError, asyncpg.UniqueViolationError)


class WayThrough(AssertionError):
    """A text was published that nobody had approved like this."""


@dataclass
class World:
    """One installation, and the team whose piece it is."""

    client: httpx2.AsyncClient
    app: FastAPI
    team: Any
    pool: asyncpg.Pool
    superuser: asyncpg.Pool
    loop: asyncio.AbstractEventLoop

    def now(self, doing: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(doing, self.loop).result()


async def lawful(superuser: asyncpg.Pool, row: asyncpg.Record) -> bool:
    """Whether a piece may be published as it stands: counted from the rows, none of PostgreSQL's functions asked."""
    policy = await superuser.fetchrow(
        "SELECT steps::text[] AS steps, expires_after FROM approval_policies WHERE organization_id = $1 AND type = $2",
        row["organization_id"],
        row["type"],
    )
    steps, good_for = (policy["steps"], policy["expires_after"]) if policy else (["approver"], timedelta(days=30))
    wrote = await superuser.fetch("SELECT author_id FROM content_revisions WHERE content_id = $1", row["id"])
    authors = {row["creator_id"], *(one["author_id"] for one in wrote)}
    sha256 = digest(row["type"], row["title"], row["body"], row["platforms"])
    given = await superuser.fetch(
        "SELECT a.*, u.role::text, u.status::text FROM approvals a JOIN users u ON u.id = a.approver_id"
        " WHERE content_id = $1 ORDER BY a.created_at, a.id",
        row["id"],
    )
    valid = [
        one["role"]
        for one in given
        if one["decision"] == "approved"
        and one["voided_at"] is None
        and (one["revision"], one["sha256"]) == (row["revision"], sha256)
        and one["approver_id"] not in authors
        and one["status"] == "active"
        and one["created_at"] + good_for > datetime.now(UTC)
    ]
    people = {one["approver_id"] for one in given if one["voided_at"] is None and one["decision"] == "approved"}
    matching = all(role in {step, *ADMINS} for step, role in zip(steps, valid, strict=False))
    return len(people) >= len(valid) >= len(steps) and matching


def machine_over(world: World) -> type[RuleBasedStateMachine]:
    class Life(RuleBasedStateMachine):
        piece: str
        published: str | None = None

        def post(self, path: str, role: str, body: Any = None, method: str = "POST") -> Any:
            headers = world.team.people[role].headers
            answer = world.now(world.client.request(method, f"/api/v1{path}", json=body, headers=headers))
            assert answer.status_code < 500, answer.text
            return answer.json()

        def execute(self, statement: str, *values: Any) -> None:
            world.now(world.superuser.execute(statement, *values))

        @initialize(imported=st.booleans(), so_far=st.integers(0, 3))
        def begin(self, imported: bool, so_far: int) -> None:
            world.now(world.app.state.doors.redis.flushdb())
            self.execute("UPDATE users SET status = 'active' WHERE organization_id = $1", world.team.id)
            self.execute("DELETE FROM approval_policies WHERE organization_id = $1", world.team.id)
            body = {"type": "custom", "title": "t", "body": "first"}
            if imported:
                pieces = {"pieces": [{"source_ref": str(new_id()), **body}]}
                self.piece = self.post("/content/bulk", "org_admin", pieces)[0]["id"]
            else:
                self.piece = self.post("/content", "editor", body)["id"]
            for action, role in (("submit", "editor"), ("approve", "approver"), ("publish", "editor"))[:so_far]:
                self.take(action, role)

        @rule(
            action=st.sampled_from(["submit", "approve", "reject", "return", "publish", "archive", "restore"]),
            role=EVERYBODY,
        )
        def take(self, action: str, role: str) -> None:
            self.post(f"/content/{self.piece}/{action}", role, {"reason": "no"} if action == "reject" else None)

        @rule(role=JUDGES)
        def approve(self, role: str) -> None:
            self.take("approve", role)

        @rule(role=WRITERS, body=st.sampled_from(["first", "other"]))
        def edit(self, role: str, body: str) -> None:
            self.post(f"/content/{self.piece}", role, {"body": body}, "PUT")

        @rule(method=st.sampled_from(["POST", "DELETE"]))
        def schedule(self, method: str) -> None:
            body = {"scheduled_at": "2999-01-01T00:00:00Z"} if method == "POST" else None
            self.post(f"/content/{self.piece}/schedule", "editor", body, method)

        @rule()
        def its_time_comes(self) -> None:
            due = "UPDATE content SET scheduled_at = now() WHERE id = $1 AND scheduled_at IS NOT NULL"
            self.execute(due, UUID(self.piece))
            while world.now(issue_next(world.pool)):
                pass

        @rule(
            steps=st.lists(st.sampled_from(["approver", "org_admin"]), min_size=1, max_size=3),
            days=st.sampled_from([1, 60]),
        )
        def policy(self, steps: list[str], days: int) -> None:
            body = {"type": "custom", "steps": steps, "expires_after_days": days}
            self.post("/approval-policies", "org_admin", body, "PUT")

        @rule(role=EVERYBODY, status=st.sampled_from(["active", "suspended", "inactive"]))
        def status(self, role: str, status: str) -> None:
            self.execute("UPDATE users SET status = $1 WHERE id = $2", status, world.team.people[role].id)

        @rule()
        def a_month_passes(self) -> None:
            older = "UPDATE approvals SET created_at = created_at - interval '31 days' WHERE content_id = $1"
            self.execute(older, UUID(self.piece))

        @rule()
        def work(self) -> None:
            asked = "SELECT body FROM outbox WHERE key = $1 AND type = 'content.publish' ORDER BY id"
            for row in world.now(world.superuser.fetch(asked, self.piece)):
                world.now(carry_out(world.pool, decode(row["body"])))

        @rule()
        def try_everything(self) -> None:
            self.take("publish", "editor")
            self.work()
            for which in ("approve", "publish"):
                self.sql(which)

        def teardown(self) -> None:
            self.try_everything()
            self.what_is_published_was_approved_word_for_word()

        @rule(true_hash=st.booleans(), organization=st.sampled_from(["own", "another"]))
        def forge_a_command(self, true_hash: bool, organization: str) -> None:
            row = world.now(world.superuser.fetchrow("SELECT * FROM content WHERE id = $1", UUID(self.piece)))
            sha256 = digest(row["type"], row["title"], row["body"], row["platforms"]) if true_hash else "0" * 64
            asked = PublishContent(content_id=row["id"], sha256=sha256, actor_id=world.team.viewer.id)
            command = Command(
                id=new_id(),
                type="content.publish",
                organization_id=row["organization_id"] if organization == "own" else new_id(),
                key=self.piece,
                issued_at=datetime.now(UTC),
                payload=msgspec.Raw(msgspec.json.encode(asked)),
            )
            try:
                world.now(carry_out(world.pool, command))
            except Poison:
                assert organization == "another"

        @rule(which=st.sampled_from(sorted(SQL)))
        def sql(self, which: str) -> None:
            world.now(self.as_the_app(SQL[which]))

        async def as_the_app(self, statement: str) -> None:
            values = [UUID(self.piece)] if "$1" in statement else []
            async with world.pool.acquire() as connection:
                try:
                    async with connection.transaction():
                        await connection.execute(
                            "SELECT set_config('app.organization_id', $1, true)", str(world.team.id)
                        )
                        await connection.execute(statement, *values)
                except REFUSED:
                    return

        @invariant()
        def what_is_published_was_approved_word_for_word(self) -> None:
            row = world.now(world.superuser.fetchrow("SELECT * FROM content WHERE id = $1", UUID(self.piece)))
            sha256 = digest(row["type"], row["title"], row["body"], row["platforms"])
            if row["status"] != "published":
                self.published = None
            elif self.published is None:
                if not world.now(lawful(world.superuser, row)):
                    raise WayThrough("published without valid approvals")
                self.published = sha256
            elif self.published != sha256:
                raise WayThrough("changed after publication")

    return Life


async def search(world: World, most: int, steps: int, *phases: Phase, derandomize: bool = False) -> None:
    """Run the machine in a thread: its steps come back to this loop. Raises AssertionError for a way through."""
    how = examples(
        max_examples=most,
        stateful_step_count=steps,
        phases=phases or tuple(Phase),
        derandomize=derandomize,
        database=None,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    await asyncio.to_thread(run_state_machine_as_test, machine_over(world), settings=how)


@pytest.fixture(scope="module")
async def pool(settings) -> AsyncIterator[asyncpg.Pool]:
    made = await wire.postgres.pool(settings.postgres_app_url)
    yield made
    await made.close()


async def test_no_sequence_publishes_a_text_without_valid_approvals(client, app, make_team, pool, superuser) -> None:
    world = World(client, app, await make_team(), pool, superuser, asyncio.get_running_loop())
    await search(world, 40, 16)


BROKEN = {
    "nothing is ever refused": ("publish_refusal", "RETURN CASE", "RETURN NULL; RETURN CASE"),
    "the trigger lets everything through": ("guard_publishing", "refusal IS NOT NULL", "false"),
}
"""function, a part of its text, and what stands in its place"""


@pytest.fixture(scope="module")
async def scratch(settings, servers, names, make_team) -> AsyncIterator[World]:
    """An installation over a database of its own, whose gate a test may break."""
    name = f"{names['database']}_scratch"
    admin = await asyncpg.connect(servers.postgres_url)
    await admin.execute(f"CREATE DATABASE {name} OWNER {names['owner']}")
    urls = ("postgres_url", "postgres_app_url", "postgres_relay_url", "postgres_import_url")
    moved = {url: SecretStr(getattr(settings, url).get_secret_value().rsplit("/", 1)[0] + f"/{name}") for url in urls}
    made = settings.model_copy(update=moved)
    await asyncio.to_thread(migrate, made)
    superuser = await asyncpg.create_pool(servers.postgres_url.rsplit("/", 1)[0] + f"/{name}", min_size=1, max_size=2)
    pool = await wire.postgres.pool(made.postgres_app_url)
    app = create_app(made)
    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://api") as client:
            team = await make_team(superuser)
            yield World(client, app, team, pool, superuser, asyncio.get_running_loop())
    await pool.close()
    await superuser.close()
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


@pytest.mark.parametrize("fault", BROKEN)
async def test_the_same_search_finds_a_way_through_a_gate_that_was_broken(scratch, fault) -> None:
    function, old, new = BROKEN[fault]
    whole = await scratch.superuser.fetchval("SELECT pg_get_functiondef(oid) FROM pg_proc WHERE proname = $1", function)
    assert old in whole
    await scratch.superuser.execute(whole.replace(old, new))
    with pytest.raises(WayThrough):
        await search(scratch, 100, 8, Phase.generate, derandomize=True)
    await scratch.superuser.execute(whole)
