"""`tallywire audit verify | head`."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import UUID

import asyncpg
import typer
from rich.console import Console

import wire.postgres
from api.audit_chain import Broken, Chain, Head, Stored
from stack import environment
from stack.commands.options import Data
from stack.errors import Refused
from wire.errors import Transient
from wire.settings import Settings

app = typer.Typer(help="The audit trail: who did what, in chains that tell of any change.", no_args_is_help=True)
AWAY: Final = (Transient, *wire.postgres.TRANSIENT)
Noted = Mapping[UUID, Mapping[int, str]]
"""organization -> sequence -> hash, as they were noted outside."""

_ORGANIZATIONS: Final = """
SELECT organization_id FROM audit_heads UNION SELECT organization_id FROM audit_entries ORDER BY 1
"""
_HEADS: Final = "SELECT organization_id, sequence, hash FROM audit_heads ORDER BY 1"
_HEAD: Final = "SELECT sequence, hash FROM audit_heads WHERE organization_id = $1"
_ENTRIES: Final = "SELECT sequence, hash, entry FROM audit_entries WHERE organization_id = $1 ORDER BY sequence"


def readable(help_: str) -> Any:
    """An option that names a file which is there."""
    return typer.Option(help=help_, exists=True, dir_okay=False, readable=True)


@app.callback()
def trail() -> None:
    """The audit trail: who did what, in chains that tell of any change."""


@app.command()
def verify(
    file: Annotated[Path | None, readable("An export of a trail, instead of PostgreSQL.")] = None,
    heads: Annotated[Path | None, readable("What `audit head` has said before, kept elsewhere.")] = None,
    data: Data = None,
) -> None:
    """Recompute every chain. Exit status 1 where an entry was changed or removed; the first is named.

    Whoever could rewrite the whole database could rewrite every hash in it too. So note what `tallywire audit head`
    says where they cannot reach it, and verify against that.
    """
    console = Console(highlight=False, soft_wrap=True)
    noted = read_heads(heads.read_text()) if heads else {}
    try:
        broken = check_file(file, noted) if file else asyncio.run(check(environment.load(data), noted))
    except AWAY as error:
        raise Refused(f"Nothing can be said of the trails: {error}. See `tallywire status`") from error
    for organization_id, first in broken.items():
        console.print(f"organization {organization_id}: entry {first.sequence}: {first.why}")
    if broken:
        raise typer.Exit(1)
    console.print("Every audit trail is whole.")


@app.command()
def head(data: Data = None) -> None:
    """Say each organization, its newest entry's number, and its hash. Note them where nobody here can write."""
    console = Console(highlight=False, soft_wrap=True)
    try:
        rows = asyncio.run(heads_of(environment.load(data)))
    except AWAY as error:
        raise Refused(f"Nothing can be said of the trails: {error}. See `tallywire status`") from error
    for row in rows:
        console.print(row["organization_id"], row["sequence"], row["hash"])


async def heads_of(settings: Settings) -> list[asyncpg.Record]:
    """organization_id, sequence, hash of every organization."""
    connection = await wire.postgres.connection(settings.postgres_relay_url)
    try:
        return list(await connection.fetch(_HEADS))
    finally:
        await connection.close()


def read_heads(text: str) -> Noted:
    """What `audit head` said, maybe several times. Raises Refused for anything else."""
    noted: dict[UUID, dict[int, str]] = defaultdict(dict)
    try:
        for line in text.splitlines():
            organization, sequence, hash_ = line.split()
            noted[UUID(organization)][int(sequence)] = hash_
    except ValueError as error:
        raise Refused("the heads must be as `tallywire audit head` says them: ORGANIZATION SEQUENCE HASH") from error
    return noted


async def check(settings: Settings, noted: Noted) -> Mapping[UUID, Broken]:
    """The first broken entry of each organization whose trail is not whole. Reads one snapshot of the database."""
    pool = await wire.postgres.pool(settings.postgres_relay_url, max_size=1)
    try:
        async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            ids = {row[0] for row in await connection.fetch(_ORGANIZATIONS)} | noted.keys()
            found = {id_: await _first_broken(connection, id_, noted.get(id_, {})) for id_ in sorted(ids)}
    finally:
        await pool.close()
    return {id_: broken for id_, broken in found.items() if broken}


async def _first_broken(
    connection: asyncpg.Connection, organization_id: UUID, noted: Mapping[int, str]
) -> Broken | None:
    chain = Chain(noted)
    async for row in connection.cursor(_ENTRIES, organization_id, prefetch=1000):
        if broken := chain.add(Stored(*row)):
            return broken
    newest = await connection.fetchrow(_HEAD, organization_id)
    return chain.end(Head(*newest) if newest else None)


def check_file(file: Path, noted: Noted) -> Mapping[UUID, Broken]:
    """The first broken entry of an export (`GET /api/v1/audit/export`), by its organization. Raises Refused."""
    try:
        with file.open() as lines:
            broken, organization_id = _follow(map(json.loads, lines), noted)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Refused(f"{file} cannot be read as an export of an audit trail: {error!r}") from error
    return {organization_id: broken} if broken else {}


def _follow(lines: "map[dict[str, str]]", noted: Noted) -> tuple[Broken | None, UUID]:
    """The first line says whose trail it is, and its head; the entries follow."""
    first = next(lines, {})
    organization_id = UUID(first["organization_id"])
    chain = Chain(noted.get(organization_id))
    for line in lines:
        if broken := chain.add(Stored(int(line["sequence"]), line["hash"], line["entry"])):
            return broken, organization_id
    return chain.end(Head(int(first["sequence"]), first["hash"])), organization_id
