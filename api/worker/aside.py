"""Commands that wait or are dead, in PostgreSQL: RabbitMQ is their transport only.

A waiting command holds back the later ones of its key, and nobody else's. It is tried again after 1, 5, 30, then every
300 s. A dead one holds nobody back, and stays until a person replays or discards it (`api/commands/`).
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import NAMESPACE_OID, UUID, uuid5

import asyncpg

from api.worker.confinement import confine
from wire.commands import Command

DELAYS_S: Final = (1, 5, 30, 300)
LONGEST_DETAIL: Final = 500

_STANDING: Final = """
SELECT EXISTS (SELECT FROM commands_aside WHERE id = $1) AS known,
       EXISTS (SELECT FROM commands_aside WHERE key = $2 AND due_at IS NOT NULL) AS held_back
"""
_SET_ASIDE: Final = """
INSERT INTO commands_aside (id, organization_id, key, type, body, attempts, due_at, reason, detail)
VALUES ($1, $2, $3, $4, $5, $6, clock_timestamp() + $7, $8, $9) ON CONFLICT (id) DO NOTHING
"""
_AGAIN: Final = """
UPDATE commands_aside SET attempts = $2, due_at = clock_timestamp() + $3, reason = $4, detail = $5 WHERE id = $1
"""


@dataclass(frozen=True)
class Aside:
    """A command as it is kept; `body` is what came, to the letter, `wait` None where it is dead."""

    id: UUID
    organization_id: UUID | None
    key: str
    type: str
    body: bytes
    attempts: int
    wait: timedelta | None
    reason: str
    detail: str


def of_command(
    command: Command, body: bytes, *, attempts: int, wait: timedelta | None, reason: str, detail: str
) -> Aside:
    """A command, and why it is set aside."""
    return Aside(
        id=command.id,
        organization_id=command.organization_id,
        key=command.key,
        type=command.type,
        body=body,
        attempts=attempts,
        wait=wait,
        reason=reason,
        detail=detail,
    )


def of_message(message_id: str, kind: str, body: bytes, reason: str, detail: str) -> Aside:
    """A dead message that is no command. The same one again has the same id."""
    try:
        id_ = UUID(message_id)
    except ValueError:
        id_ = uuid5(NAMESPACE_OID, f"{message_id}/{body.hex()}")
    return Aside(id_, None, "", kind, body, 0, None, reason, detail)


def delay(attempts: int) -> timedelta:
    """How long a command waits that has failed so often."""
    return timedelta(seconds=DELAYS_S[min(attempts, len(DELAYS_S)) - 1])


def storable(text: str) -> str:
    """Text as PostgreSQL can keep it: what comes off a queue may be anything."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()[:LONGEST_DETAIL]


async def standing(connection: asyncpg.Connection, command: Command) -> tuple[bool, bool]:
    """Whether this very command is aside already, and whether an earlier one of its key waits."""
    row = await connection.fetchrow(_STANDING, command.id, storable(command.key))
    return row["known"], row["held_back"]


async def set_aside(connection: asyncpg.Connection, one: Aside) -> None:
    """Keep it, in the connection's transaction; the same id again changes nothing."""
    await confine(connection, one.organization_id)
    texts = (storable(one.reason), storable(one.detail))
    key, kind = storable(one.key), storable(one.type)
    await connection.execute(
        _SET_ASIDE, one.id, one.organization_id, key, kind, one.body, one.attempts, one.wait, *texts
    )


async def put_back(
    connection: asyncpg.Connection, id_: UUID, *, attempts: int, wait: timedelta | None, reason: str, detail: str
) -> None:
    """A waiting command has failed again: it waits longer, or is dead where `wait` is None."""
    await connection.execute(_AGAIN, id_, attempts, wait, storable(reason), storable(detail))


async def take_back(connection: asyncpg.Connection, id_: UUID) -> None:
    """A waiting command is carried out, and waits no more."""
    await connection.execute("DELETE FROM commands_aside WHERE id = $1", id_)
