"""PostgreSQL's outbox -> RabbitMQ.

The loop:     take the unpublished rows, oldest first; publish them; mark those that RabbitMQ confirmed; wait for more.
The promise:  every committed row reaches its exchange at least once, and rows of one key in the order of their ids.
              Rows are found by `published_at IS NULL`, never by a cursor, which would skip a slow transaction.
              One relay works at a time, by a lock of the connection that also marks: a second one stands by.
              What was published a week ago is deleted, a batch at a time, while there is nothing else to do.
"""

import asyncio
from collections.abc import Callable
from typing import Final, Never

import aio_pika
import asyncpg
import structlog
from aio_pika.abc import AbstractChannel

import wire.postgres
import wire.rabbitmq
from bridges.lanes import send_in_order
from bridges.sessions import opened
from wire.errors import Transient
from wire.settings import Settings
from wire.telemetry import BRIDGED, OUTBOX_PENDING, OUTBOX_RELAYED

BATCH: Final = 500
POLL_S: Final = 1.0
LOCK: Final = 0x7461_6C6C_7901
"""The advisory lock of the one relay at work: any number that nothing else in this database uses."""

UNPUBLISHED: Final = """
SELECT id, message_id, exchange, routing_key, key, type, body FROM outbox
WHERE published_at IS NULL AND key <> ALL ($1::text[]) ORDER BY id LIMIT $2
"""
MARK: Final = "UPDATE outbox SET published_at = now() WHERE id = ANY ($1::bigint[])"
PURGE: Final = """
DELETE FROM outbox WHERE id IN (SELECT id FROM (SELECT id, published_at FROM outbox ORDER BY id LIMIT $1) AS oldest
                                WHERE published_at < now() - interval '7 days')
"""
PENDING: Final = "SELECT count(*) FROM outbox WHERE published_at IS NULL"

_log = structlog.stdlib.get_logger("bridges.outbox_to_rabbitmq")


async def session(settings: Settings, ready: Callable[[], None]) -> Never:
    """Relay until something goes away, which is raised."""
    database = await wire.postgres.connection(settings.postgres_relay_url)
    async with opened(database, database.close):
        if await database.fetchval("SHOW transaction_read_only") == "on":
            raise Transient("PostgreSQL is read-only: what is published could not be marked, and would be again")
        OUTBOX_PENDING.set(await database.fetchval(PENDING))
        connection = await wire.rabbitmq.connect(settings.rabbitmq_url, f"{settings.worker_name} outbox_to_rabbitmq")
        async with opened(connection, connection.close):
            channel = await wire.rabbitmq.channel(connection)
            await wire.rabbitmq.declare(channel)
            ready()
            await _until_alone(database)
            await _relay(database, channel)


async def _until_alone(database: asyncpg.Connection) -> None:
    standing_by = False
    while True:
        if await database.fetchval("SELECT pg_try_advisory_lock($1)", LOCK):
            return
        if not standing_by:
            _log.info("another relay is at work: standing by")
        standing_by = True
        await asyncio.sleep(POLL_S)


async def _relay(database: asyncpg.Connection, channel: AbstractChannel) -> Never:
    written = asyncio.Event()
    await database.add_listener("outbox", lambda *_: written.set())
    failing: set[str] = set()
    purge_at = 0.0
    while True:
        written.clear()
        rows = await database.fetch(UNPUBLISHED, list(failing), BATCH)
        confirmed, failures = await send_in_order(rows, lambda row: row["key"], lambda row: _publish(channel, row))
        await _mark(database, confirmed)
        for key, error in failures.items():
            told = {"key": key, "error": str(error)[:500]}
            _log.warning("not published, will be tried again", seldom=str(error), **told)
        if failures and not confirmed:
            raise Transient(f"RabbitMQ took none of {len(rows)} outbox rows")
        failing |= failures.keys()
        if len(rows) < BATCH:
            OUTBOX_PENDING.set(await database.fetchval(PENDING))
            purge_at = await _purge(database, purge_at)
            await _wait(written)
            failing.clear()


async def _publish(channel: AbstractChannel, row: asyncpg.Record) -> None:
    message = aio_pika.Message(
        row["body"],
        message_id=str(row["message_id"]),
        type=row["type"],
        headers={"key": row["key"]},
        content_type="application/json",
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
    )
    await wire.rabbitmq.publish(channel, row["exchange"], row["routing_key"], message)


async def _mark(database: asyncpg.Connection, confirmed: list[asyncpg.Record]) -> None:
    if confirmed:
        await database.execute(MARK, [row["id"] for row in confirmed])
        OUTBOX_RELAYED.inc(len(confirmed))
        BRIDGED.labels("outbox_to_rabbitmq").inc(len(confirmed))


async def _purge(database: asyncpg.Connection, not_before: float) -> float:
    """Look at the oldest rows only, for what is behind them is younger; answers when to look again."""
    now = asyncio.get_running_loop().time()
    if now < not_before:
        return not_before
    await database.execute(PURGE, BATCH)
    return now + POLL_S


async def _wait(written: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(POLL_S):
            await written.wait()
    except TimeoutError:
        return
