"""One command, carried out once: the table of handlers, and the transaction around each."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final, Literal

import asyncpg
import msgspec

from api.worker.aside import of_command, set_aside, standing
from api.worker.confinement import confine
from api.worker.engagement import record_engagement, record_snapshots
from api.worker.publishing import publish
from api.worker.scores import score
from wire.commands import PUBLISH_CONTENT, RECORD_ENGAGEMENT, RECORD_SNAPSHOTS, SCORE_CONTENT, Command
from wire.errors import Poison
from wire.telemetry import COMMANDS as COUNTED

Handler = Callable[[asyncpg.Connection, Command], Awaitable[None]]
Outcome = Literal["applied", "duplicate", "held back"]

HANDLERS: Final[dict[str, Handler]] = {
    SCORE_CONTENT: score,
    RECORD_ENGAGEMENT: record_engagement,
    RECORD_SNAPSHOTS: record_snapshots,
    PUBLISH_CONTENT: publish,
}

_command = msgspec.json.Decoder(Command)
_CLAIM: Final = "INSERT INTO processed_commands (command_id) VALUES ($1) ON CONFLICT DO NOTHING"
_FORGET: Final = "DELETE FROM processed_commands WHERE applied_at < now() - interval '30 days'"


def decode(body: bytes) -> Command:
    """A message's body as a command. Raises Poison for anything that is none."""
    try:
        return _command.decode(body)
    except (ValueError, RecursionError) as error:
        raise Poison("undecodable_command", str(error)[:500]) from error


def count(type_: str | None, outcome: str) -> None:
    """Count what became of a command. Senders may make up types; a metric would keep each of them for good."""
    COUNTED.labels(type_ if type_ in HANDLERS else "unknown", outcome).inc()


async def carry_out(pool: asyncpg.Pool, command: Command) -> Outcome:
    """Carry out a command that came, in one transaction with the note that it was; not again where that note is there.

    Where an earlier command of its key waits, it waits behind it. Raises Poison where it never can be carried out,
    asyncpg's errors where it cannot be now.
    """
    async with pool.acquire(timeout=5) as connection, connection.transaction():
        await confine(connection, command.organization_id)
        known, held_back = await standing(connection, command)
        if known:
            return "duplicate"
        if held_back and not await _done(connection, command):
            body = msgspec.json.encode(command)
            why = {"reason": "held_back", "detail": "an earlier command of this key waits"}
            await set_aside(connection, of_command(command, body, attempts=0, wait=timedelta(), **why))
            return "held back"
        return await apply(connection, command)


async def apply(connection: asyncpg.Connection, command: Command) -> Outcome:
    """Carry out a command, unless it was, in the connection's transaction. Raises as `carry_out`.

    asyncpg says ValueError to a number that no column holds.
    """
    if await connection.execute(_CLAIM, command.id) == "INSERT 0 0":
        return "duplicate"
    if command.type not in HANDLERS:
        raise Poison("unknown_command", f"nobody carries out {command.type[:100]!r}")
    try:
        await HANDLERS[command.type](connection, command)
    except (ValueError, RecursionError, asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as error:
        raise Poison("invalid_payload", str(error)[:500]) from error
    return "applied"


async def _done(connection: asyncpg.Connection, command: Command) -> bool:
    asked = "SELECT EXISTS (SELECT FROM processed_commands WHERE command_id = $1)"
    return bool(await connection.fetchval(asked, command.id))


async def forget(pool: asyncpg.Pool) -> None:
    """Drop notes of commands so old that no queue holds them any more, and what is long over (docs/retention.md)."""
    await pool.execute(_FORGET)
    await pool.execute("SELECT forget_idempotency_keys()")
    await pool.execute("SELECT forget_what_is_over()")
