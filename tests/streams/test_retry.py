"""What a ClickHouse that answers may get over is waited for; what it never will is raised at once."""

import asyncio
from functools import partial

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError
from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError

from streams.retry import until_done

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


async def test_a_redis_that_is_full_is_waited_for_until_it_has_room(redis_client: Redis) -> None:
    script = redis_client.register_script("redis.call('SET', KEYS[1], ARGV[1])")
    writes = (lambda: redis_client.set("full", 1), lambda: script(["full"], [1]))
    await redis_client.config_set("maxmemory", "1mb")
    try:
        for write in writes:
            with pytest.raises(OutOfMemoryError):
                await write()
        waiting = [asyncio.create_task(until_done("redis", write)) for write in writes]
        await asyncio.sleep(0.3)
        assert not any(each.done() for each in waiting)
    finally:
        await redis_client.config_set("maxmemory", "0")
    await asyncio.wait_for(asyncio.gather(*waiting), 10)


async def test_a_table_that_is_not_there_is_no_reason_to_wait(clickhouse: Client) -> None:
    with pytest.raises(DatabaseError, match="UNKNOWN_TABLE"):
        await asyncio.wait_for(insert(clickhouse, "nowhere"), 10)
