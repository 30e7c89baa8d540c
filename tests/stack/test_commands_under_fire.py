"""Thousands of commands while the relay, the workers and RabbitMQ are killed: each is carried out once, in order.

The effect that is counted is one that repeating would show: each command leaves one entry in the audit trail.
"""

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest

from stack.environment import without_ours
from wire.commands import Command, PublishContent, shard
from wire.ids import new_id
from wire.topics import COMMANDS_EXCHANGE

ORGANIZATIONS, PIECES, COMMANDS = 4, 10, 2000
PROGRAMS = {"relay": ("bridges", "outbox_to_rabbitmq"), "worker 1": ("api", "work"), "worker 2": ("api", "work")}
INSERT = """
INSERT INTO outbox (message_id, organization_id, exchange, routing_key, key, type, body)
VALUES ($1, $2, $3, $4, $5, 'content.publish', $6)
"""
DRAFT = "INSERT INTO content (id, organization_id, creator_id, type, title) VALUES ($1, $2, $3, 'custom', 't')"
LEFT = "SELECT count(*) FROM outbox WHERE published_at IS NULL"
CARRIED_OUT = """
SELECT entry::jsonb ->> 'subject_id' AS piece, (entry::jsonb #>> '{details,sha256}')::int AS number FROM audit_entries
WHERE entry::jsonb ->> 'action' = 'content.publish_refused' ORDER BY organization_id, sequence
"""


@pytest.fixture
def own(small: Any) -> Any:
    """PostgreSQL, Valkey and RabbitMQ of its own."""
    del small.given["TALLYWIRE_RABBITMQ_URL"]
    small.up()
    return small


class Programs:
    """The relay and two workers, which may be killed and are started again."""

    def __init__(self, system: Any, folder: Path) -> None:
        self._environment = {**without_ours(), **system.state().environment}
        self._folder = folder
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def migrate(self) -> None:
        subprocess.run([sys.executable, "-m", "api", "migrate"], env=self._environment, check=True)

    def start(self, name: str) -> None:
        environment = {**self._environment, "TALLYWIRE_WORKER_NAME": name.replace(" ", "-")}
        with (self._folder / f"{name}.log").open("ab") as log:
            command = [sys.executable, "-m", *PROGRAMS[name]]
            self.running[name] = subprocess.Popen(command, env=environment, stderr=log)

    def kill(self, name: str) -> None:
        process = self.running.pop(name)
        process.kill()
        process.wait()

    def kill_all(self) -> None:
        for name in list(self.running):
            self.kill(name)


async def pieces_of(database: asyncpg.Connection) -> list[tuple[UUID, UUID]]:
    """Drafts of several organizations: none of them may be published, and each attempt is noted."""
    made = []
    for n in range(ORGANIZATIONS):
        organization, user = new_id(), new_id()
        await database.execute("INSERT INTO organizations (id, name, slug) VALUES ($1, $2, $2)", organization, f"o{n}")
        await database.execute(
            "INSERT INTO users (id, email, organization_id, role, password_hash) VALUES ($1, $2, $3, 'editor', '-')",
            user,
            f"{n}@example.com",
            organization,
        )
        for _ in range(PIECES):
            piece = new_id()
            await database.execute(DRAFT, piece, organization, user)
            made.append((organization, piece))
    return made


async def issue(database: asyncpg.Connection, organization: UUID, piece: UUID, number: int) -> None:
    payload = PublishContent(content_id=piece, sha256=str(number), actor_id=organization)
    command = Command(
        id=new_id(),
        type="content.publish",
        organization_id=organization,
        key=str(piece),
        issued_at=datetime.now(UTC),
        payload=msgspec.Raw(msgspec.json.encode(payload)),
    )
    lane = f"shard.{shard(command.key)}"
    body = msgspec.json.encode(command)
    await database.execute(INSERT, command.id, organization, COMMANDS_EXCHANGE, lane, command.key, body)


async def test_no_command_is_lost_repeated_or_overtaken_whoever_is_killed(own: Any, tmp_path: Path) -> None:
    chance = random.Random(7)
    programs = Programs(own, tmp_path)
    await asyncio.to_thread(programs.migrate)
    database = await asyncpg.connect(own.url("postgres"))
    pieces = await pieces_of(database)
    issued: dict[str, list[int]] = defaultdict(list)
    for name in PROGRAMS:
        programs.start(name)

    async def write() -> None:
        writing = await asyncpg.connect(own.url("postgres"))
        for start in range(0, COMMANDS, 100):
            async with writing.transaction():
                for number in range(start, start + 100):
                    organization, piece = chance.choice(pieces)
                    await issue(writing, organization, piece, number)
                    issued[str(piece)].append(number)
            await asyncio.sleep(0.2)
        await writing.close()

    async def carried_out() -> int:
        return int(await database.fetchval("SELECT sum(sequence) FROM audit_heads") or 0)

    async def until(many: int) -> None:
        for _ in range(2000):
            if await carried_out() >= many:
                return
            await asyncio.sleep(0.1)

    writing = asyncio.create_task(write())
    met = []
    try:
        for victim in ("worker 1", "relay", "rabbitmq", "worker 2", "relay"):
            before = await carried_out()
            await until(before + 60)
            met.append(COMMANDS - await carried_out())
            if victim == "rabbitmq":
                os.kill(own.pid(victim), signal.SIGKILL)
            else:
                programs.kill(victim)
                programs.start(victim)
        await writing
        await until(COMMANDS)
        await asyncio.sleep(1)
    finally:
        writing.cancel()
        programs.kill_all()
    assert min(met) > 100, "a kill came when nearly all was done: the test shows nothing"
    done: dict[str, list[int]] = defaultdict(list)
    for row in await database.fetch(CARRIED_OUT):
        done[row["piece"]].append(row["number"])
    assert done == issued
    assert await database.fetchval("SELECT count(*) FROM commands_aside") == 0
    assert await database.fetchval(LEFT) == 0
    await database.close()
