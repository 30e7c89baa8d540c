"""The real servers, started once for the whole run and shared by every test; each test takes its own corner of them."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import hypothesis
import pytest

hypothesis.settings.register_profile("tallywire", deadline=None, print_blob=True)
hypothesis.settings.load_profile("tallywire")

os.environ.setdefault("SEED", str(Random().randrange(1_000_000)))
"""Chooses the faults of `tests/faults`; the processes that share a run inherit it."""


def pytest_report_header() -> str:
    return f"faults: SEED={os.environ['SEED']} repeats this run's selection"


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
