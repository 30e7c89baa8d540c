"""The five servers together: up, what dies comes back with its data, down."""

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Any

import aio_pika
import asyncpg
import clickhouse_connect
import pytest
import redis.asyncio
from pydantic import SecretStr

from stack import state
from wire import kafka
from wire.clickhouse import client as clickhouse
from wire.topics import TOPICS

SERVERS = ("postgres", "valkey", "rabbitmq", "epmd", "kafka", "clickhouse")


async def write_everywhere(system: Any, word: str) -> None:
    """One word into each server that promises to keep it."""
    connection = await asyncpg.connect(system.url("postgres"))
    await connection.execute("CREATE TABLE IF NOT EXISTS words (word text)")
    await connection.execute("INSERT INTO words VALUES ($1)", word)
    await connection.close()
    valkey = redis.asyncio.from_url(system.url("redis"))
    await valkey.sadd("words", word)
    await valkey.aclose()
    async with await aio_pika.connect(system.url("rabbitmq")) as broker:
        channel = await broker.channel()
        await channel.declare_queue(word, durable=True, arguments={"x-queue-type": "quorum"})
        message = aio_pika.Message(word.encode(), delivery_mode=2)
        await channel.default_exchange.publish(message, word)
    with clickhouse(SecretStr(system.url("clickhouse"))) as asking:
        asking.command("CREATE TABLE IF NOT EXISTS words (word String) ENGINE = MergeTree ORDER BY word")
        asking.insert("words", [[word]])


async def read_everywhere(system: Any, word: str) -> list[str]:
    """The words that each server kept."""
    connection = await asyncpg.connect(system.url("postgres"))
    found = [await connection.fetchval("SELECT word FROM words WHERE word = $1", word)]
    await connection.close()
    valkey = redis.asyncio.from_url(system.url("redis"))
    found.append(word if await valkey.sismember("words", word) else "")
    await valkey.aclose()
    found.append(await take(system.url("rabbitmq"), word))
    with clickhouse(SecretStr(system.url("clickhouse"))) as asking:
        rows = asking.query("SELECT word FROM words WHERE word = {word:String}", parameters={"word": word}).result_rows
        found.append(rows[0][0])
    return found


async def take(url: str, queue_name: str) -> str:
    """One message of a queue."""
    async with await aio_pika.connect(url) as broker:
        queue = await (await broker.channel()).get_queue(queue_name)
        message = await queue.get(timeout=10)
        assert message is not None
        return message.body.decode()


def test_the_servers_are_ready_and_say_where_they_are(system: Any) -> None:
    started = system.up()
    report = system.status()
    assert report["phase"] == "ready"
    assert {child["condition"] for child in report["children"].values()} == {"ready"}
    assert all(child["ready_after_s"] > 0 for child in report["children"].values())
    for name in ("postgres", "redis", "rabbitmq", "kafka", "clickhouse", "api", "ingestion"):
        assert "127.0.0.1:" in report["addresses"][name]
    assert "in memory" in started.stdout


def test_no_secret_is_shown_unless_asked_for_and_no_file_of_one_is_open_to_others(system: Any) -> None:
    secrets = {file.read_text() for file in system.folder.secrets.iterdir()}
    shown = "".join(
        system.tallywire(*words).stdout for words in (("status",), ("status", "--json"), ("up",), ("logs",))
    )
    arguments = " ".join(system.processes())
    assert not [secret for secret in secrets if secret in shown or secret in arguments]
    files = [*system.folder.secrets.iterdir(), system.folder.state]
    assert len(files) > 7
    assert {oct(file.stat().st_mode & 0o777) for file in files} == {"0o600"}
    exported = system.tallywire("env").stdout
    assert f"export TALLYWIRE_POSTGRES_URL={system.url('postgres')}" in exported


def test_a_second_up_says_what_is_running(system: Any) -> None:
    before = system.state().supervisor
    again = system.up()
    assert "already runs" in again.stdout
    assert "postgres" in again.stdout
    assert system.state().supervisor == before


async def test_topics_have_their_partitions(system: Any) -> None:
    assert await partitions(system) == {topic.name: topic.partitions for topic in TOPICS}


async def partitions(system: Any) -> dict[str, int]:
    producer = await kafka.producer(SecretStr(system.url("kafka")))
    try:
        return {topic.name: len(await producer.partitions_for(topic.name)) for topic in TOPICS}
    finally:
        await producer.stop()


async def test_whatever_is_killed_comes_back_with_its_data(system: Any, eventually: Callable[..., None]) -> None:
    await write_everywhere(system, "before")
    await asyncio.sleep(2)  # RabbitMQ saves the register of its quorum queues only every half a second
    for name in SERVERS:
        os.kill(system.pid(name), signal.SIGKILL)
    eventually(lambda: all(system.restarts(name) == 1 for name in SERVERS))
    eventually(lambda: all(child.condition == "ready" for child in system.state().children.values()))
    assert await read_everywhere(system, "before") == ["before"] * 4
    assert await partitions(system) == {topic.name: topic.partitions for topic in TOPICS}
    assert system.tallywire("status").returncode == 0


def test_the_death_of_the_supervisor_leaves_nothing_running(system: Any, eventually: Callable[..., None]) -> None:
    supervisor = system.state().supervisor
    assert supervisor is not None
    os.kill(supervisor.pid, signal.SIGKILL)
    eventually(lambda: not state.is_running(system.folder))
    assert system.tallywire("status").stdout.startswith("died")
    eventually(lambda: not system.processes(), seconds=20)


async def test_the_next_up_has_the_same_ports_and_data(system: Any) -> None:
    ports = system.state().ports
    system.up()
    assert system.state().ports == ports
    await write_everywhere(system, "after")
    assert await read_everywhere(system, "after") == ["after"] * 4


def test_a_reader_of_clickhouse_may_read_and_not_write(system: Any) -> None:
    password = (system.folder.secrets / "clickhouse_reader").read_text()
    port = system.state().ports["clickhouse"]
    with clickhouse_connect.get_client(host="127.0.0.1", port=port, username="reader", password=password) as reading:
        assert reading.command("SELECT 1") == 1
        with pytest.raises(clickhouse_connect.driver.exceptions.DatabaseError):
            reading.command("DROP TABLE IF EXISTS words")


def test_down_stops_everything_and_status_says_so(system: Any) -> None:
    system.down()
    assert system.processes() == []
    stopped = system.tallywire("status")
    assert stopped.stdout.startswith("stopped")
    assert stopped.returncode == 1
    assert system.tallywire("down").stdout == "Nothing runs.\n"
