"""Apache Kafka on the JVM, as KAFKA=apache starts it."""

import os
import shutil
import signal
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from pydantic import SecretStr

from stack.errors import Refused
from stack.folder import Folder
from stack.server import Place
from stack.servers import kafka_apache
from wire import kafka
from wire.topics import CONTENT

on_the_jvm = pytest.mark.skipif(
    os.environ.get("KAFKA") != "apache", reason="takes half a minute: run with KAFKA=apache"
)


async def everything(url: SecretStr) -> list[bytes]:
    """Every message of the first partition of the content topic."""
    from aiokafka import TopicPartition

    first = TopicPartition(CONTENT.name, 0)
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap(url), enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign([first])
        await consumer.seek_to_beginning(first)
        end = (await consumer.end_offsets([first]))[first]
        return [(await consumer.getone(first)).value for _ in range(end)]
    finally:
        await consumer.stop()


@on_the_jvm
async def test_its_log_survives_a_kill_and_a_restart(small: Any, servers: Any, eventually: Callable[..., None]) -> None:
    small.given = {
        "TALLYWIRE_RABBITMQ_URL": f"{servers.rabbitmq_url}/",
        "TALLYWIRE_CLICKHOUSE_URL": f"{servers.clickhouse_url}/default",
        "TALLYWIRE_REDIS_URL": f"{servers.redis_url}/0",
    }
    started = small.up("--kafka", "apache")
    assert "in memory" not in started.stdout
    url = SecretStr(small.url("kafka"))
    producer = await kafka.producer(url)
    await producer.send_and_wait(CONTENT.name, b"kept", partition=0)
    await producer.stop()
    os.kill(small.pid("kafka"), signal.SIGKILL)
    eventually(lambda: small.restarts("kafka") == 1 and small.state().children["kafka"].condition == "ready", 60)
    assert await everything(url) == [b"kept"]
    small.down()
    small.up()
    assert small.status()["kafka"] == "apache"
    assert await everything(url) == [b"kept"]


def test_without_java_it_says_what_to_type(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Refused, match="apt-get install openjdk-17-jre-headless"):
        kafka_apache.install(Place(Folder(tmp_path), {}), print)


def test_an_apache_kafka_that_could_not_start_is_not_tried_again(small: Any) -> None:
    del small.given["TALLYWIRE_KAFKA_URL"]
    (small.folder.root / "bin").mkdir(parents=True)
    for name in ("setpriv", "sh", "env"):
        (small.folder.root / "bin" / name).symlink_to(shutil.which(name) or name)
    done = small.tallywire("up", "--servers-only", "--any-ports", KAFKA="apache", PATH=str(small.folder.root / "bin"))
    assert done.returncode == 1
    assert "KAFKA=apache needs Java 17" in done.stderr
    assert "ready" in small.up().stdout
    assert small.status()["kafka"] == "tansu"


def test_an_unknown_kafka_is_refused_and_what_was_there_is_left_as_it_was(small: Any) -> None:
    small.up()
    small.down()
    before = small.folder.state.read_bytes()
    done = small.tallywire("up", "--servers-only", KAFKA="pulsar")
    assert done.returncode == 2
    assert "'pulsar' is not one of 'tansu', 'apache'" in " ".join(done.stderr.replace("│", "").split())
    assert small.folder.state.read_bytes() == before
