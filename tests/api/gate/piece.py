"""A piece, and everything that anybody may try with it: calls one by one and in bulk, commands, SQL, and time."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from api.worker.carry_out import carry_out, decode
from api.worker.schedule import issue_next
from tests.api.gate.statements import SQL
from tests.api.gate.world import WayThrough, World, lawful, sha256_of
from wire.commands import Command, PublishContent
from wire.errors import Poison
from wire.ids import new_id

FAR = "2999-01-01T00:00:00Z"
REFUSED = (asyncpg.CheckViolationError, asyncpg.InsufficientPrivilegeError, asyncpg.UniqueViolationError)
BEGINNING = (("submit", "editor"), ("approve", "approver"), ("publish", "editor"))
MORE: dict[str, dict[str, object]] = {"reject": {"reason": "no"}, "schedule": {"scheduled_at": FAR}}
"""What an action needs beside the piece."""


class Piece:
    """One piece of a world's team; its methods wait, and are called from outside of the world's loop."""

    def __init__(self, world: World, *, imported: bool = False) -> None:
        self.world, self.published = world, ""
        world.now(world.app.state.doors.redis.flushdb())
        for role, person in world.team.people.items():
            self.execute("UPDATE users SET role = $1, status = 'active' WHERE id = $2", role, person.id)
        self.execute("DELETE FROM approval_policies WHERE organization_id = $1", world.team.id)
        body = {"type": "custom", "title": "t", "body": "first"}
        if imported:
            pieces = {"pieces": [{"source_ref": str(new_id()), **body}]}
            self.id = self.call("/content/bulk", "org_admin", pieces)[0]["id"]
        else:
            self.id = self.call("/content", "editor", body)["id"]

    def call(self, path: str, role: str, body: Any = None, method: str = "POST") -> Any:
        """The answer to a request of somebody's, whether it was granted or refused."""
        headers = self.world.team.people[role].headers
        answer = self.world.now(self.world.client.request(method, f"/api/v1{path}", json=body, headers=headers))
        assert answer.status_code < 500, answer.text
        return answer.json()

    def execute(self, statement: str, *values: Any) -> None:
        """What only the outside world does: time passes, people come and go."""
        self.world.now(self.world.superuser.execute(statement, *values))

    def row(self) -> asyncpg.Record:
        return self.world.now(self.world.superuser.fetchrow("SELECT * FROM content WHERE id = $1", UUID(self.id)))

    def come_so_far(self, steps: int) -> None:
        """Submitted, approved, asked to be published: as it should be."""
        for action, role in BEGINNING[:steps]:
            self.take(action, role)

    def take(self, action: str, role: str, *, bulk: bool = False) -> None:
        more = MORE.get(action)
        if bulk:
            items = [{"id": str(new_id())}, {"id": self.id}]
            answer = self.call("/content/bulk/actions", role, {"action": action, "items": items, **(more or {})})
            assert "results" not in answer or answer["results"][0]["status"] in {403, 404}
        elif action == "unschedule":
            self.call(f"/content/{self.id}/schedule", role, method="DELETE")
        else:
            self.call(f"/content/{self.id}/{action}", role, more)

    def edit(self, role: str, body: str) -> None:
        self.call(f"/content/{self.id}", role, {"body": body}, "PUT")

    def policy(self, steps: list[str], days: int = 30) -> None:
        body = {"type": "custom", "steps": steps, "expires_after_days": days}
        self.call("/approval-policies", "org_admin", body, "PUT")

    def status(self, role: str, status: str) -> None:
        self.execute("UPDATE users SET status = $1 WHERE id = $2", status, self.world.team.people[role].id)

    def becomes(self, role: str, other: str) -> None:
        self.execute("UPDATE users SET role = $1 WHERE id = $2", other, self.world.team.people[role].id)

    def its_time_comes(self) -> None:
        due = "UPDATE content SET scheduled_at = now() WHERE id = $1 AND scheduled_at IS NOT NULL"
        self.execute(due, UUID(self.id))
        while self.world.now(issue_next(self.world.pool)):
            pass

    def a_month_passes(self) -> None:
        older = "UPDATE approvals SET created_at = created_at - interval '31 days' WHERE content_id = $1"
        self.execute(older, UUID(self.id))

    def work(self) -> None:
        """The worker carries out every command that was ever issued for the piece."""
        asked = "SELECT body FROM outbox WHERE key = $1 AND type = 'content.publish' ORDER BY id"
        for row in self.world.now(self.world.superuser.fetch(asked, self.id)):
            self.carry(decode(row["body"]))

    def forge_a_command(self, *, true_hash: bool = True, organization: str = "own") -> None:
        row = self.row()
        sha256 = sha256_of(row) if true_hash else "0" * 64
        asked = PublishContent(content_id=row["id"], sha256=sha256, actor_id=self.world.team.viewer.id)
        command = Command(
            id=new_id(),
            type="content.publish",
            organization_id=row["organization_id"] if organization == "own" else new_id(),
            key=self.id,
            issued_at=datetime.now(UTC),
            payload=msgspec.Raw(msgspec.json.encode(asked)),
        )
        try:
            self.carry(command)
        except Poison:
            assert organization == "another"

    def carry(self, command: Command) -> None:
        """Carry out a command: what it publishes is what it names. Raises WayThrough."""
        before = self.row()
        self.world.now(carry_out(self.world.pool, command))
        after = self.row()
        if before["status"] == "published" or after["status"] != "published":
            return
        asked = msgspec.json.decode(command.payload, type=PublishContent)
        if asked.sha256 != sha256_of(after):
            raise WayThrough("another text was published than the command names")
        if asked.scheduled_at not in {None, before["scheduled_at"]}:
            raise WayThrough("published at a time that it no longer had")

    def sql(self, which: str, actor: str = "") -> None:
        """Plain SQL as the role that serves requests, in nobody's or in somebody's name."""
        self.world.now(self._as_the_app(SQL[which], actor))

    async def _as_the_app(self, statement: str, actor: str) -> None:
        team, values = self.world.team, [UUID(self.id)] if "$1" in statement else []
        named = {"app.organization_id": team.id, "app.user_id": team.people[actor].id if actor else ""}
        async with self.world.pool.acquire() as connection:
            try:
                async with connection.transaction():
                    for name, value in named.items():
                        await connection.execute("SELECT set_config($1, $2, true)", name, str(value))
                    await connection.execute(statement, *values)
            except REFUSED:
                return

    def try_everything(self) -> None:
        """Whatever could publish the piece as it stands, and then change what was published."""
        self.take("publish", "editor")
        self.work()
        for which in ("approve", "publish"):
            self.sql(which)
        self.check()
        self.sql("edit")

    def check(self) -> None:
        """What is published was approved, word for word, and nothing came in past the door. Raises WayThrough."""
        row = self.row()
        if row["status"] != "published":
            self.published = ""
        elif not self.published:
            if not self.world.now(lawful(self.world.superuser, row)):
                raise WayThrough("published without valid approvals")
            self.published = sha256_of(row)
        elif self.published != sha256_of(row):
            raise WayThrough("changed after publication")
        smuggled = "SELECT EXISTS (SELECT FROM content WHERE organization_id = $1 AND source_ref = 'smuggled')"
        if self.world.now(self.world.superuser.fetchval(smuggled, self.world.team.id)):
            raise WayThrough("published, but never written here")
