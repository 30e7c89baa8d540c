"""`tallywire commands list | replay | discard`: what waits or is dead, of every organization and of none."""

import asyncio
from collections.abc import Coroutine
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

import typer
from rich.console import Console

import wire.postgres
from api.worker.confinement import confine
from api.worker.outbox import audit
from stack import environment
from stack.commands.options import Data
from stack.errors import Refused
from wire.errors import Transient
from wire.settings import Settings

ABOUT: Final = "Commands that could not be carried out when they came: see them, try them again, throw them away."
AWAY: Final = (Transient, *wire.postgres.TRANSIENT)
app = typer.Typer(help=ABOUT, no_args_is_help=True)
Id = Annotated[UUID, typer.Argument(help="The command's id, as `list` shows it.", show_default=False, metavar="ID")]
T = TypeVar("T")

_LIST: Final = """
SELECT id, organization_id, key, type, attempts, due_at, reason, detail FROM commands_aside
WHERE NOT $1 OR due_at IS NULL ORDER BY position LIMIT $2
"""
_WHOSE: Final = "SELECT organization_id, type, key FROM commands_aside WHERE id = $1"
_REPLAY: Final = "UPDATE commands_aside SET due_at = clock_timestamp(), attempts = 0 WHERE id = $1"
_DISCARD: Final = """
WITH discarded AS (DELETE FROM commands_aside WHERE id = $1 RETURNING id)
INSERT INTO processed_commands (command_id) SELECT id FROM discarded ON CONFLICT DO NOTHING
"""


@app.callback(help=ABOUT)
def commands() -> None:
    """Say what they are about."""


@app.command("list")
def list_them(
    dead: Annotated[bool, typer.Option("--dead", help="Only those that nothing tries again by itself.")] = False,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1)] = 100,
    data: Data = None,
) -> None:
    """List them, the oldest first: id, organization, type, what it is about, tries, when next, why."""
    console = Console(highlight=False, soft_wrap=True)
    rows = _run(listed(environment.load(data), dead, limit))
    for row in rows:
        due = f"next {row['due_at']:%Y-%m-%dT%H:%M:%SZ}" if row["due_at"] else "dead"
        whose = row["organization_id"] or "-"
        tries = f"{row['attempts']} tries"
        console.print(row["id"], whose, row["type"], row["key"], tries, due, f"{row['reason']}: {row['detail']}")
    if not rows:
        console.print("No command is dead." if dead else "No command waits or is dead.")


@app.command()
def replay(id_: Id, data: Data = None) -> None:
    """Have a command tried again now, by the worker that runs."""
    _run(change(environment.load(data), id_, _REPLAY, "command.replayed"))
    typer.echo("It is tried again now; `tallywire commands list` shows it as long as it has not succeeded.")


@app.command()
def discard(id_: Id, data: Data = None) -> None:
    """Throw a command away: should it be delivered again, it is not carried out."""
    _run(change(environment.load(data), id_, _DISCARD, "command.discarded"))
    typer.echo("Thrown away.")


def _run(doing: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(doing)
    except AWAY as error:
        raise Refused(f"The commands cannot be reached: {error}. See `tallywire status`") from error


async def listed(settings: Settings, dead: bool, limit: int) -> list[Any]:
    """The rows, the oldest first."""
    connection = await wire.postgres.connection(settings.postgres_relay_url)
    try:
        return list(await connection.fetch(_LIST, dead, limit))
    finally:
        await connection.close()


async def change(settings: Settings, id_: UUID, statement: str, action: str) -> None:
    """The relay may look across organizations, the app may change; the change is noted in the organization's trail."""
    looking = await wire.postgres.connection(settings.postgres_relay_url)
    changing = await wire.postgres.connection(settings.postgres_app_url)
    try:
        found = await looking.fetchrow(_WHOSE, id_)
        if found is None:
            raise Refused(f"no command {id_} waits or is dead; `tallywire commands list` shows those that do")
        async with changing.transaction():
            await confine(changing, found["organization_id"])
            await changing.execute(statement, id_)
            if found["organization_id"]:
                about = {"type": found["type"], "key": found["key"], "by": "the command line"}
                await audit(changing, found["organization_id"], None, action, id_, about)
    finally:
        await changing.close()
        await looking.close()
