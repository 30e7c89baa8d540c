import asyncio
import random
import subprocess
from typing import Any
from uuid import uuid4

import asyncpg

from wire.settings import Settings
from wire.topics import EVENTS_EXCHANGE, TO_KAFKA

INSERT = """
INSERT INTO outbox (message_id, organization_id, exchange, routing_key, key, type, body)
SELECT $1, id, $2, $3, $4, 'content.updated', $5 FROM organizations
"""


async def write(database: asyncpg.Connection, key: str, body: str, exchange: str = EVENTS_EXCHANGE) -> None:
    await database.execute(INSERT, uuid4(), exchange, "content.updated", key, body.encode())


async def pending(database: asyncpg.Connection) -> int:
    return int(await database.fetchval("SELECT count(*) FROM outbox WHERE published_at IS NULL"))


async def test_a_written_row_reaches_its_queue_at_once_with_its_properties(
    corner: Settings, tools: Any, database: asyncpg.Connection
) -> None:
    async def gone() -> bool:
        return await pending(database) == 0

    with tools.bridge_process(corner, "outbox_to_rabbitmq"):
        await tools.until((corner.state_dir / "worker-1.ready").exists, "the ready file")
        await write(database, "a", "hello")
        await tools.until(gone, "the row to be marked")
        began = asyncio.get_running_loop().time()
        for n in range(5):
            await write(database, "a", str(n))
            await tools.until(gone, "the row to be marked")
        assert asyncio.get_running_loop().time() - began < 3  # by polling each second it would be 5 or so
    row = await database.fetchrow("SELECT message_id FROM outbox ORDER BY id")
    async with tools.rabbit(corner) as channel:
        message, *_ = await tools.drained(channel, TO_KAFKA.name)
    assert message.body == b"hello"
    assert message.message_id == str(row["message_id"])
    assert message.type == "content.updated"
    assert message.headers["key"] == "a"
    assert message.delivery_mode == 2


async def test_kill_9_of_the_relay_loses_nothing_and_keeps_the_order_of_each_key(
    corner: Settings, tools: Any, database: asyncpg.Connection
) -> None:
    chance = random.Random(11)
    written: dict[str, list[str]] = {f"key-{n}": [] for n in range(20)}
    stop = asyncio.Event()

    async def writer() -> None:
        other = await asyncpg.connect(corner.postgres_url.get_secret_value())
        n = 0
        while not stop.is_set():
            async with other.transaction():
                for _ in range(chance.randrange(1, 200)):
                    key = chance.choice(list(written))
                    await write(other, key, str(n))
                    written[key].append(str(n))
                    n += 1
            await asyncio.sleep(0.05)
        await other.close()

    writing = asyncio.create_task(writer())
    kills_while_busy = 0
    for _ in range(5):
        with tools.bridge_process(corner, "outbox_to_rabbitmq") as process:
            await tools.until((corner.state_dir / "worker-1.ready").exists, "the ready file")
            await asyncio.sleep(chance.uniform(0, 0.5))
            while not await pending(database):
                pass
            process.kill()
            kills_while_busy += await pending(database) > 0
    stop.set()
    await writing
    with tools.bridge_process(corner, "outbox_to_rabbitmq"):

        async def gone() -> bool:
            return await pending(database) == 0

        await tools.until(gone, "the outbox to drain", 60)
    async with tools.rabbit(corner) as channel:
        arrived: dict[str, list[str]] = {key: [] for key in written}
        for message in await tools.drained(channel, TO_KAFKA.name):
            arrived[str(message.headers["key"])].append(message.body.decode())
    assert kills_while_busy, "no kill met an unfinished outbox: the test shows nothing"
    for key, bodies in written.items():
        assert list(dict.fromkeys(arrived[key])) == bodies


async def test_while_postgresql_is_read_only_the_relay_lives_and_publishes_nothing_that_it_cannot_mark(
    corner: Settings, tools: Any, database: asyncpg.Connection
) -> None:
    name = corner.postgres_url.get_secret_value().rpartition("/")[2]
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()"
    log = corner.state_dir / "bridges.log"

    async def gone() -> bool:
        return await pending(database) == 0

    with tools.bridge_process(corner, "outbox_to_rabbitmq") as process:
        await tools.until((corner.state_dir / "worker-1.ready").exists, "the ready file")
        await database.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        try:
            await database.execute(cut, name)
            await write(database, "a", "1")
            await tools.until(lambda: log.read_text().count("read-only") >= 3, "three sessions to meet it")
            assert process.poll() is None
            assert await tools.depth(corner, TO_KAFKA.name) == 0
        finally:
            await database.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        await tools.until(gone, "the row to be marked")
        assert await tools.depth(corner, TO_KAFKA.name) == 1


async def test_what_has_no_queue_is_not_lost_and_stops_only_its_own_key(
    corner: Settings, tools: Any, database: asyncpg.Connection
) -> None:
    async with tools.rabbit(corner) as channel:
        nowhere = await channel.declare_exchange("nowhere", "topic", durable=True)
        with tools.bridge_process(corner, "outbox_to_rabbitmq"):
            await write(database, "stuck", "1", "nowhere")
            await write(database, "stuck", "2")
            await write(database, "free", "3")

            async def others_are_gone() -> bool:
                return await pending(database) == 2

            await tools.until(others_are_gone, "the other key's row")
            await asyncio.sleep(2)
            assert await pending(database) == 2
            assert [message.body for message in await tools.drained(channel, TO_KAFKA.name)] == [b"3"]
            queue = await channel.get_queue(TO_KAFKA.name, ensure=False)
            await queue.bind(nowhere, "#")

            async def gone() -> bool:
                return await pending(database) == 0

            await tools.until(gone, "the stuck key's rows")
            assert [message.body for message in await tools.drained(channel, TO_KAFKA.name)] == [b"1", b"2"]


async def test_a_second_relay_stands_by_until_the_first_dies(
    corner: Settings, tools: Any, database: asyncpg.Connection
) -> None:
    holders = """
    SELECT count(*) FROM pg_locks JOIN pg_database AS d ON d.oid = pg_locks.database
    WHERE locktype = 'advisory' AND granted AND datname = current_database()
    """
    with tools.bridge_process(corner, "outbox_to_rabbitmq") as first:
        await tools.until((corner.state_dir / "worker-1.ready").exists, "the first")
        with tools.bridge_process(corner, "outbox_to_rabbitmq"):
            await tools.until((corner.state_dir / "worker-1.ready").exists, "the second")
            await asyncio.sleep(0.5)
            assert await database.fetchval(holders) == 1
            first.kill()
            await write(database, "a", "after")

            async def gone() -> bool:
                return await pending(database) == 0

            await tools.until(gone, "the second to take over")


async def test_it_waits_for_rabbitmq_and_says_so_and_sigterm_ends_it_cleanly(
    corner: Settings, tools: Any, servers: Any, vhost: str, database: asyncpg.Connection
) -> None:
    user = corner.rabbitmq_url.get_secret_value().split("//")[1].split(":")[0]
    with tools.bridge_process(corner, "outbox_to_rabbitmq") as process:
        await tools.until((corner.state_dir / "worker-1.ready").exists, "the ready file")
        tools.manage(servers, "DELETE", f"/vhosts/{vhost}")
        await write(database, "a", "waits")
        await asyncio.sleep(2)
        assert await pending(database) == 1
        assert '"waiting"' in (corner.state_dir / "bridges.log").read_text()
        tools.manage(servers, "PUT", f"/vhosts/{vhost}")
        everything = '{"configure": ".*", "write": ".*", "read": ".*"}'
        tools.manage(servers, "PUT", f"/permissions/{vhost}/{user}", everything)

        async def gone() -> bool:
            return await pending(database) == 0

        await tools.until(gone, "RabbitMQ to be found again")
        process.terminate()
        assert await asyncio.to_thread(process.wait, 10) == 0
    assert '"message": "stopped"' in (corner.state_dir / "bridges.log").read_text().splitlines()[-1]


def test_an_unknown_bridge_is_refused_by_name() -> None:
    import sys

    done = subprocess.run([sys.executable, "-m", "bridges", "moon"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "there is no bridge moon; there are outbox_to_rabbitmq" in done.stderr


async def test_what_was_published_a_week_ago_is_deleted_and_nothing_else(
    corner: Settings, tools: Any, database: asyncpg.Connection
) -> None:
    for n in range(1200):
        await write(database, "old", str(n))
    await database.execute("UPDATE outbox SET published_at = now() - interval '8 days'")
    for published in ("now() - interval '6 days'", "NULL"):
        await write(database, "young", published)
        await database.execute(
            f"UPDATE outbox SET published_at = {published} WHERE convert_from(body, 'UTF8') = $1", published
        )
    with tools.bridge_process(corner, "outbox_to_rabbitmq"):

        async def only_the_young_are_left() -> bool:
            return await database.fetchval("SELECT array_agg(DISTINCT key) FROM outbox") == ["young"]

        await tools.until(only_the_young_are_left, "the purge")
        assert await database.fetchval("SELECT count(*) FROM outbox") == 2
