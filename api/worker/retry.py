"""Commands that wait are tried again when they are due, the first of each key before the others."""

from typing import Final

import asyncpg
import structlog

import wire.postgres
from api.worker.aside import delay, put_back, take_back
from api.worker.carry_out import apply, count, decode
from api.worker.confinement import confine
from wire.errors import Poison

MOST_SURPRISES: Final = 8
"""How often a command may fail in a way that nobody has thought of before it is dead."""
_CLAIM: Final = "SELECT * FROM claim_due_command()"
_log = structlog.stdlib.get_logger("api")


async def retry_next(pool: asyncpg.Pool) -> bool:
    """Try one waiting command again, in one transaction with what becomes of it; False where none is due."""
    async with pool.acquire(timeout=5) as connection, connection.transaction():
        row = await connection.fetchrow(_CLAIM)
        if row is None:
            return False
        await confine(connection, row["organization_id"])
        outcome = await _try(connection, row)
    count(row["type"], outcome)
    return True


async def _try(connection: asyncpg.Connection, row: asyncpg.Record) -> str:
    attempts = row["attempts"] + 1
    try:
        async with connection.transaction():
            outcome: str = await apply(connection, decode(row["body"]))
    except Poison as poison:
        outcome, wait, why = "dead", None, {"reason": poison.reason, "detail": poison.detail}
    except wire.postgres.TRANSIENT as error:
        if connection.is_closed():
            raise
        outcome, wait, why = "retried", delay(attempts), {"reason": "not_now", "detail": repr(error)}
    except Exception as error:
        _log.exception("command failed", command_type=row["type"], message_id=str(row["id"]))
        outcome = "retried" if attempts < MOST_SURPRISES else "dead"
        wait = delay(attempts) if outcome == "retried" else None
        why = {"reason": "unexpected_error", "detail": repr(error)}
    await confine(connection, row["organization_id"])
    if outcome in ("retried", "dead"):
        _log.warning("command " + outcome, message_id=str(row["id"]), attempts=attempts, **why)
        await put_back(connection, row["id"], attempts=attempts, wait=wait, **why)
    else:
        await take_back(connection, row["id"])
    return outcome
