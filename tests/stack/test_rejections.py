"""`tallywire rejections`: an operator sees everybody's and nobody's; nothing in them steers the terminal."""

import asyncio
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from clickhouse_connect.driver.client import Client
from typer.testing import CliRunner

import wire.clickhouse
from stack import environment
from stack.__main__ import application
from stack.commands.rejections import NOBODY
from tests.databases import migrated_clickhouse
from wire.settings import Settings

NOW = datetime.now(UTC).replace(microsecond=0)
MINE = uuid4()
COLUMNS = ["id", "organization_id", "source", "place", "reason", "detail", "sample", "rejected_at"]


@pytest.fixture(scope="module")
def clickhouse(servers: Any) -> Iterator[Client]:
    rows = [
        (uuid4(), organization, source, place, reason, detail, f"sample {place}", NOW - timedelta(hours=place))
        for place, (organization, source, reason, detail) in enumerate(
            [
                (MINE, "http", "too_old", "id is older than 7 days"),
                (MINE, "http", "invalid_platform", "\x1b[2J[red]bang[/red]"),
                (NOBODY, "engagement.events.v1/3", "undecodable_envelope", "no schema"),
                (uuid4(), "posts.csv", "too_old", "x" * 500),
            ]
        )
    ]
    with migrated_clickhouse(servers.clickhouse_url) as url:
        client = wire.clickhouse.client(url)
        client.insert("rejections", rows, COLUMNS)
        yield client
        client.close()


@pytest.fixture
def tallywire(servers: Any, clickhouse: Client, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    settings = Settings(clickhouse_url=f"{servers.clickhouse_url}/{clickhouse.database}")
    monkeypatch.setattr(environment, "load", lambda _: settings)
    return lambda *words: CliRunner().invoke(application(), ["rejections", *words])


async def ran(tallywire: Callable[..., Any], *words: str) -> Any:
    return await asyncio.to_thread(tallywire, *words)


async def places(tallywire: Callable[..., Any], *words: str) -> list[int]:
    done = await ran(tallywire, *words, "--json")
    assert done.exit_code == 0, done.output
    return [one["place"] for one in json.loads(done.stdout)["rejections"]]


async def test_everything_is_listed_the_newest_first_and_each_option_narrows_it(tallywire: Callable[..., Any]) -> None:
    assert await places(tallywire) == [0, 1, 2, 3]
    assert await places(tallywire, "--organization", str(MINE)) == [0, 1]
    assert await places(tallywire, "--organization", "none") == [2]
    assert await places(tallywire, "--reason", "too_old") == [0, 3]
    assert await places(tallywire, "--since", "90m") == [0, 1]
    assert await places(tallywire, "--limit", "3") == [0, 1, 2]
    assert await places(tallywire, "--reason", "' OR 1 = 1 --") == []
    told = json.loads((await ran(tallywire, "--json", "--limit", "1")).stdout)
    assert told["reasons"] == {"too_old": 2, "invalid_platform": 1, "undecodable_envelope": 1}
    assert told["rejections"][0]["sample"] == "sample 0"


async def test_the_table_shows_no_sample_and_lets_nothing_steer_the_terminal(tallywire: Callable[..., Any]) -> None:
    shown = (await ran(tallywire)).stdout
    assert "4 of 4 refused: too_old 2, invalid_platform 1, undecodable_envelope 1" in shown
    assert "[red]bang[/red]" in shown
    assert "\x1b" not in shown
    assert "sample" not in shown
    assert "Nothing was refused." in (await ran(tallywire, "--reason", "none_such")).stdout


async def test_what_is_no_organization_or_no_time_is_named(tallywire: Callable[..., Any]) -> None:
    assert "nor `none`" in str((await ran(tallywire, "--organization", "acme")).exception)
    assert "is no time" in str((await ran(tallywire, "--since", "yesterday")).exception)
