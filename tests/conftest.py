"""The real servers, started once for the whole run and shared by every test; each test takes its own corner of them."""

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import hypothesis
import pytest

from stack import ports

hypothesis.settings.register_profile("tallywire", deadline=None, print_blob=True)
hypothesis.settings.load_profile("tallywire")

os.environ.setdefault("SEED", str(Random().randrange(1_000_000)))
"""Chooses the faults of `tests/faults`; the processes that share a run inherit it."""


def pytest_report_header() -> str:
    return f"faults: SEED={os.environ['SEED']} repeats this run's selection"


_held = ExitStack()


def free_port() -> int:
    """A port for a server of a test's own: nobody else's until this process ends."""
    return ports.free(_held.enter_context)


SHARED = ("tests/path", "tests/faults")
"""Folders that start a whole system, once for all their tests."""
LONG_FIRST = (*SHARED, "tests/stack", "tests/benchmarks", "tests/bridges", "tests/ingestion", "tests/streams")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long goes first: a process that is left alone with it in the end leaves the others idle."""
    last = len(LONG_FIRST)

    def place(item: pytest.Item) -> int:
        return next((at for at, folder in enumerate(LONG_FIRST) if item.nodeid.startswith(folder)), last)

    items.sort(key=place)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Hands whole files to the processes that share a run, and whole folders where a system is started for one."""
    from xdist.scheduler import LoadFileScheduling

    class LoadSystemScheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return next((folder for folder in SHARED if file.startswith(folder)), file)

    return LoadSystemScheduling(config, log)


@dataclass(frozen=True)
class Servers:
    """Addresses with an administrator's credentials and no database, vhost or db number at the end."""

    postgres_url: str
    """ends in a database from which others can be created"""
    redis_url: str
    rabbitmq_url: str
    rabbitmq_management_url: str
    kafka_url: str
    clickhouse_url: str


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """PostgreSQL, Valkey, RabbitMQ, Kafka and ClickHouse; from TALLYWIRE_TEST_SERVERS (a JSON file) or started here."""
    if given := os.environ.get("TALLYWIRE_TEST_SERVERS"):
        yield Servers(**json.loads(Path(given).read_text()))
        return
    from stack.testing import started_servers

    with started_servers(tmp_path_factory.mktemp("servers")) as addresses:
        yield Servers(**addresses)
