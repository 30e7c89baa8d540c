"""`tallywire audit verify`."""

import asyncio
from collections.abc import Mapping
from uuid import UUID

import asyncpg
import typer
from rich.console import Console

import wire.postgres
from api.audit_chain import Broken, Head, Stored
from api.audit_chain import verify as verify_chain
from stack import environment
from stack.commands.options import Data
from stack.errors import Refused
from wire.settings import Settings

app = typer.Typer(help="The audit trail.", no_args_is_help=True)

_ORGANIZATIONS = "SELECT organization_id FROM audit_heads UNION SELECT organization_id FROM audit_entries ORDER BY 1"
_HEAD = "SELECT sequence, hash FROM audit_heads WHERE organization_id = $1"
_ENTRIES = "SELECT sequence, hash, entry FROM audit_entries WHERE organization_id = $1 ORDER BY sequence"


@app.callback()
def trail() -> None:
    """The audit trail."""


@app.command()
def verify(data: Data = None) -> None:
    """Recompute every organization's chain. Exit status 1 where an entry was changed or removed; it is named."""
    console = Console(highlight=False, soft_wrap=True)
    try:
        broken = asyncio.run(check(environment.load(data)))
    except wire.postgres.TRANSIENT as error:
        raise Refused(f"PostgreSQL does not answer, nothing can be said: {error}") from error
    for organization_id, first in broken.items():
        console.print(f"organization {organization_id}: entry {first.sequence}: {first.why}")
    if broken:
        raise typer.Exit(1)
    console.print("Every audit trail is whole.")


async def check(settings: Settings) -> Mapping[UUID, Broken]:
    """The first broken entry of each organization whose trail is not whole. Reads one snapshot of the database."""
    pool = await wire.postgres.pool(settings.postgres_relay_url, max_size=1)
    try:
        async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            ids = [row[0] for row in await connection.fetch(_ORGANIZATIONS)]
            found = {id_: await _first_broken(connection, id_) for id_ in ids}
    finally:
        await pool.close()
    return {id_: broken for id_, broken in found.items() if broken}


async def _first_broken(connection: asyncpg.Connection, organization_id: UUID) -> Broken | None:
    head = await connection.fetchrow(_HEAD, organization_id)
    rows = await connection.fetch(_ENTRIES, organization_id)
    return verify_chain((Stored(*row) for row in rows), Head(*head) if head else None)
