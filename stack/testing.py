"""The five servers for a run of tests, in a folder and on ports of their own."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from stack import environment, state
from stack.errors import Refused
from stack.folder import folder_at
from stack.logs import tail

READY_SECONDS: Final = 180
"""Generous: RabbitMQ or Kafka's jars may have to be fetched first."""


@contextlib.contextmanager
def started_servers(path: Path, kafka: str | None = None) -> Iterator[dict[str, str]]:
    """PostgreSQL, Valkey, RabbitMQ, Kafka and ClickHouse, started in `path` and stopped at the end.

    Yields administrator's addresses without database, virtual host or database number: `postgres_url` (this one ends in
    a database from which others can be created), `redis_url`, `rabbitmq_url`, `rabbitmq_management_url`, `kafka_url`,
    `clickhouse_url`. Kafka is of the given kind, or the one that the variable KAFKA names, or Tansu. The servers die
    with this process, however it dies. Raises Refused where they do not start.
    """
    kind = kafka or os.environ.get("KAFKA") or "tansu"
    command = [sys.executable, "-m", "stack", "up", "--foreground", "--servers-only", "--any-ports"]
    command += ["--data", str(path), "--kafka", kind]
    log = path / "up.log"
    path.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        supervisor = subprocess.Popen(  # noqa: S603 — our own words
            ["setpriv", "--pdeathsig", "TERM", "--", *command],  # noqa: S607 — wherever the system has it
            stdout=out,
            stderr=out,
            env=environment.without_ours(),
        )
    try:
        _wait(path, supervisor, log)
        yield _addresses(environment.variables(path), path)
    finally:
        supervisor.terminate()
        supervisor.wait(60)


def _wait(path: Path, supervisor: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end and supervisor.poll() is None:
        known = state.read(folder_at(path))
        if known and known.phase == "ready" and known.supervisor and known.supervisor.pid == supervisor.pid:
            return
        time.sleep(0.05)
    raise Refused("The servers did not start:\n" + "\n".join(tail(log, 30)))


def _addresses(variables: dict[str, str], path: Path) -> dict[str, str]:
    known = state.read(folder_at(path)) or state.State()
    names = ("postgres_url", "redis_url", "rabbitmq_url", "kafka_url", "clickhouse_url")
    found = {name: variables[environment.variable(name)] for name in names}
    for name in ("redis_url", "rabbitmq_url", "clickhouse_url"):
        found[name] = found[name].rpartition("/")[0]
    return {**found, "rabbitmq_management_url": f"http://127.0.0.1:{known.ports['rabbitmq_management']}"}
