"""Servers for a run: started, migrated, with an organization that may write; and their processes, to be measured."""

import asyncio
import contextlib
import hashlib
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
from pydantic import SecretStr

import wire.clickhouse
import wire.kafka
from analytics.migrate import migrate as migrate_analytics
from api.migrate import migrate as migrate_api
from benchmarks import data
from stack import environment, state
from stack.folder import folder_at
from stack.testing import started_servers
from wire.settings import Settings

Task = dict[str, Any]
"""What a contender is told, as JSON: `environment` (for Tallywire's processes), `pids`, `kafka`, `folder`, ..."""


@contextlib.contextmanager
def place(kafka: str | None = None) -> Iterator[Task]:
    """Servers of their own, Kafka of that kind, with topics and tables; stopped and deleted at the end."""
    with (
        tempfile.TemporaryDirectory(prefix="tallywire-bench-", ignore_cleanup_errors=True) as folder,
        started_servers(Path(folder) / "servers", kafka) as servers,
    ):
        settings = _settings(servers)
        migrate_api(settings)
        asyncio.run(wire.kafka.ensure_topics(settings.kafka_url))
        children = (state.read(folder_at(Path(folder) / "servers")) or state.State()).children
        pids = {name: child.process.pid for name, child in children.items() if child.process}
        task: Task = {
            "environment": _environment(settings),
            "kafka": wire.kafka.bootstrap(settings.kafka_url)[0],
            "pids": {name: pids[name] for name in ("clickhouse", "valkey", "kafka")},
            "folder": folder,
        }
        # a worker's positions are in ClickHouse: one that goes on where the last one ended needs the same tables
        yield {**task, "of_worker": fresh_tables(task)["environment"]}


def _settings(servers: dict[str, str]) -> Settings:
    at = urlsplit(servers["postgres_url"])
    of_role = f"postgresql://tallywire_{{}}:{secrets.token_hex(16)}@{at.hostname}:{at.port}{at.path}"
    return Settings(
        postgres_url=SecretStr(servers["postgres_url"]),
        postgres_app_url=SecretStr(of_role.format("app")),
        postgres_relay_url=SecretStr(of_role.format("relay")),
        postgres_import_url=SecretStr(of_role.format("import")),
        redis_url=SecretStr(f"{servers['redis_url']}/0"),
        rabbitmq_url=SecretStr(f"{servers['rabbitmq_url']}/"),
        kafka_url=SecretStr(servers["kafka_url"]),
        clickhouse_url=SecretStr(f"{servers['clickhouse_url']}/default"),
    )


def _environment(settings: Settings) -> dict[str, str]:
    urls = {name: url for name, url in settings if isinstance(url, SecretStr)}
    return {environment.variable(name): url.get_secret_value() for name, url in urls.items()}


def fresh_tables(task: Task) -> Task:
    """The task with a ClickHouse database of its own, empty and migrated."""
    variable = environment.variable("clickhouse_url")
    url = task["environment"][variable].rpartition("/")[0]
    name = f"bench_{secrets.token_hex(6)}"
    admin = wire.clickhouse.client(SecretStr(f"{url}/default"))
    admin.command(f"CREATE DATABASE {name}")
    admin.close()
    client = wire.clickhouse.client(SecretStr(f"{url}/{name}"))
    migrate_analytics(client)
    client.close()
    return {**task, "environment": {**task["environment"], variable: f"{url}/{name}"}}


async def with_writer(task: Task, pieces: int) -> Task:
    """The task with `pieces` pieces of content and a write key in PostgreSQL: `contents` (hex ids) and `write_key`."""
    owner = await asyncpg.connect(task["environment"][environment.variable("postgres_url")])
    tag, key = secrets.token_hex(8), f"twk_{secrets.token_urlsafe(32)}"
    organization_id = await owner.fetchval(
        "INSERT INTO organizations (name, slug) VALUES ('Readers', $1) RETURNING id", f"bench-{tag}"
    )
    creator_id = await owner.fetchval(
        "INSERT INTO users (organization_id, email, role, password_hash) VALUES ($1, $2, 'editor', '') RETURNING id",
        organization_id,
        f"{tag}@example.com",
    )
    await owner.execute(
        "INSERT INTO write_keys (organization_id, name, key_hash, rights) VALUES ($1, 'bench', $2, $3)",
        organization_id,
        hashlib.sha256(key.encode()).digest(),
        ["events"],
    )
    contents = [row.tobytes() for row in data.happened(1, pieces, seed=secrets.randbits(32), until_ms=10**12).contents]
    await owner.executemany(
        "INSERT INTO content (id, organization_id, creator_id, type, title) VALUES ($1, $2, $3, 'custom', 'Piece')",
        [(UUID(bytes=id_), organization_id, creator_id) for id_ in contents],
    )
    await owner.close()
    hexes = [id_.hex() for id_ in contents]
    return {**task, "contents": hexes, "write_key": key, "organization_id": organization_id.hex}
