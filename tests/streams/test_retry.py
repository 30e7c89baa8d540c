"""What a store that answers may get over is waited for; what it never will is raised at once."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError
from pydantic import SecretStr
from redis.asyncio import Redis
from redis.exceptions import RedisError

import wire.clickhouse
from stack.ports import HOST
from streams.retry import until_done
from tests.faults.proxy import Link
from tests.refusals import busy, cannot_save, full, replica, setting, without_rights

SETTINGS = "parts_to_delay_insert = 1, parts_to_throw_insert = 1"


async def insert(clickhouse: Client, table: str) -> None:
    await until_done(table, partial(asyncio.to_thread, clickhouse.insert, table, [(1,)], ["n"]))


async def test_an_insert_that_meets_too_many_parts_waits_until_there_are_fewer(clickhouse: Client) -> None:
    clickhouse.command(f"CREATE TABLE crowded (n UInt8) ENGINE = MergeTree ORDER BY n SETTINGS {SETTINGS}")
    clickhouse.insert("crowded", [(1,)], ["n"])
    with pytest.raises(DatabaseError, match="TOO_MANY_PARTS"):
        clickhouse.insert("crowded", [(1,)], ["n"])
    waiting = asyncio.create_task(insert(clickhouse, "crowded"))
    await asyncio.sleep(0.3)
    assert not waiting.done()
    clickhouse.command("ALTER TABLE crowded MODIFY SETTING parts_to_delay_insert = 100, parts_to_throw_insert = 100")
    await asyncio.wait_for(waiting, 10)
    assert clickhouse.command("SELECT count() FROM crowded") == 2


async def test_a_question_that_has_too_little_memory_waits_until_there_is_more(clickhouse: Client) -> None:
    settings = {"max_memory_usage": "1000000"}

    async def sort() -> int:
        sql = "SELECT count() FROM (SELECT number FROM numbers(1000000) ORDER BY cityHash64(number) LIMIT 999999)"
        return int((await asyncio.to_thread(clickhouse.query, sql, settings=dict(settings))).result_rows[0][0])

    with pytest.raises(DatabaseError, match="MEMORY_LIMIT_EXCEEDED"):
        await sort()
    waiting = asyncio.create_task(until_done("sorting", sort))
    await asyncio.sleep(0.3)
    assert not waiting.done()
    settings["max_memory_usage"] = "0"
    assert await asyncio.wait_for(waiting, 10) == 999_999


REFUSALS: Final = {
    full: "command not allowed when used memory",
    cannot_save: "MISCONF",
    replica: "read only replica",
    busy: "BUSY",
    without_rights: "no permissions",
}


@pytest.mark.parametrize("refuses", REFUSALS, ids=lambda each: each.__name__)
async def test_a_redis_that_refuses_is_waited_for_until_it_takes_writes_again(
    redis_client: Redis, refuses: Callable[[Redis], AbstractAsyncContextManager[None]]
) -> None:
    script = redis_client.register_script("return redis.call('INCR', KEYS[1])")
    assert await script(["scripted"]) == 1

    async def piped() -> None:
        async with redis_client.pipeline(transaction=True) as pipeline:
            await pipeline.incr("piped").incr("piped").execute()

    writes = (lambda: redis_client.incr("plain"), lambda: script(["scripted"]), piped)
    async with refuses(redis_client):
        for write in writes:
            with pytest.raises(RedisError, match=REFUSALS[refuses]):
                await write()
        waiting = [asyncio.create_task(until_done("redis", write)) for write in writes]
        await asyncio.sleep(0.3)
        assert not any(each.done() for each in waiting)
    await asyncio.wait_for(asyncio.gather(*waiting), 10)
    assert await redis_client.mget("plain", "scripted", "piped") == [b"1", b"2", b"2"]


async def test_a_replica_that_has_lost_its_master_and_answers_nothing_is_waited_for(redis_client: Redis) -> None:
    async with setting(redis_client, "replica-serve-stale-data", "no"), replica(redis_client):
        with pytest.raises(RedisError, match="MASTER is down"):
            await redis_client.get("plain")
        waiting = asyncio.create_task(until_done("redis", lambda: redis_client.get("plain")))
        await asyncio.sleep(0.3)
        assert not waiting.done()
    await asyncio.wait_for(waiting, 10)


async def test_a_table_that_is_detached_is_waited_for_until_it_is_attached_again(clickhouse: Client) -> None:
    clickhouse.command("CREATE TABLE put_away (n UInt8) ENGINE = MergeTree ORDER BY n")
    clickhouse.command("DETACH TABLE put_away")
    with pytest.raises(DatabaseError, match="UNKNOWN_TABLE"):
        clickhouse.insert("put_away", [(1,)], ["n"], column_type_names=["UInt8"])
    waiting = asyncio.create_task(insert(clickhouse, "put_away"))
    await asyncio.sleep(0.3)
    assert not waiting.done()
    clickhouse.command("ATTACH TABLE put_away")
    await asyncio.wait_for(waiting, 10)
    assert clickhouse.command("SELECT count() FROM put_away") == 1


@pytest.mark.parametrize("status", ["500 Internal Server Error", "404 Not Found", "502 Bad Gateway"])
async def test_what_another_than_clickhouse_answers_is_waited_out(servers: Any, status: str) -> None:
    to = urlsplit(servers.clickhouse_url)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (await reader.read(1 << 16)) and proxy.is_serving():
            writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>".encode())
            await writer.drain()
            writer.close()

    proxy = await asyncio.start_server(answer, HOST, 0)
    port = proxy.sockets[0].getsockname()[1]
    through = SecretStr(to._replace(netloc=f"{to.netloc.rpartition('@')[0]}@{HOST}:{port}", path="/default").geturl())
    opening = partial(asyncio.to_thread, wire.clickhouse.client, through)
    with pytest.raises(DatabaseError) as refused:
        await opening()
    assert refused.value.code is None
    waiting = asyncio.create_task(until_done("clickhouse", opening))
    await asyncio.sleep(0.3)
    assert not waiting.done()
    proxy.close()
    assert to.port is not None
    async with Link(to.port, port=port):
        client = await asyncio.wait_for(waiting, 10)
        assert await asyncio.to_thread(client.command, "SELECT 7") == 7
        await asyncio.to_thread(client.close)


async def test_a_column_that_is_not_there_is_no_reason_to_wait(clickhouse: Client) -> None:
    clickhouse.command("CREATE TABLE other (m UInt8) ENGINE = MergeTree ORDER BY m")
    with pytest.raises(ClickHouseError, match="column"):
        await asyncio.wait_for(insert(clickhouse, "other"), 10)
    with pytest.raises(DatabaseError, match="UNKNOWN_IDENTIFIER"):
        await asyncio.wait_for(
            until_done("asking", partial(asyncio.to_thread, clickhouse.query, "SELECT n FROM other")), 10
        )
