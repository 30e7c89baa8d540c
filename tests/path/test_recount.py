"""Figures made wrong on purpose, in every store, are counted again while events keep coming and readers look."""

import asyncio
import json
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx2
import pytest
import redis
from clickhouse_connect.driver.client import Client
from pydantic import SecretStr

import wire.clickhouse
from stack.verify import AGGREGATE, AGGREGATE_MINUTES, POSTGRES, REDIS
from tests.path.conftest import System, eventually
from tests.path.test_events_to_figures import event, post_until_accepted
from wire.commands import figures_version
from wire.counters import Cell, encode_cells, partition_of, piece_field, totals_key
from wire.ids import id_at, time_ms

QUIET = 20
"""Events of each piece that gets no more."""
KILLED_AT = """
import asyncio, os, signal, sys
from stack.recount.run import recount
from stack.recount.selection import Selection
from wire.settings import settings
def step(what):
    if what == sys.argv[1]:
        os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(recount(settings(), Selection(), dry_run=False, wait_s=0, step=step))
"""


@dataclass
class Stores:
    """Every store by its own door, to break what is in it."""

    clickhouse: Client
    redis: redis.Redis
    postgres_url: str
    organization: UUID

    def minute(self, content: str, at: int, count: int) -> None:
        names = ["organization_id", "content_id", "minute", "platform", "kind", "count", "generation"]
        row = [self.organization, UUID(content), at * 60, "web", "view", count, self.generation]
        self.clickhouse.insert("engagement_minutes", [row], names)

    def total(self, content: str, count: int) -> None:
        piece = UUID(content)
        at, field_ = totals_key(partition_of(piece)), piece_field(self.organization, piece)
        self.redis.hset(at, field_, encode_cells([Cell("web", "view", count, 0, 0)]))

    def row(self, content: str, count: int, events: int | None = None) -> None:
        """A row that says so, of a version that counts as much, or so many events."""
        version = figures_version(self.generation, count if events is None else events)
        statement = (
            "UPDATE content SET engagement_version = $1, engagement_stats = jsonb_set(engagement_stats, $2, $3)"
            " WHERE id = $4"
        )

        async def write() -> None:
            connection = await asyncpg.connect(self.postgres_url)
            await connection.execute(statement, version, ["totals", "web", "view", "count"], str(count), UUID(content))
            await connection.close()

        asyncio.run(write())

    @property
    def generation(self) -> int:
        return int(self.clickhouse.query("SELECT max(generation) FROM engagement_minutes").result_rows[0][0])


@pytest.fixture
def stores(system: System) -> Iterator[Stores]:
    at = system.variables
    clickhouse = wire.clickhouse.client(SecretStr(at["TALLYWIRE_CLICKHOUSE_URL"]))
    fast = redis.Redis.from_url(at["TALLYWIRE_REDIS_URL"])
    with system.api() as api:
        organization = UUID(api.get("/me").raise_for_status().json()["organization_id"])
    yield Stores(clickhouse, fast, at["TALLYWIRE_POSTGRES_URL"], organization)
    clickhouse.close()
    fast.close()


@dataclass
class Traffic:
    """Events to the busy pieces all the time, and what a reader saw of the watched ones."""

    collector: httpx2.Client
    api: httpx2.Client
    busy: list[str]
    watched: list[str]
    accepted: Counter[str] = field(default_factory=Counter)
    seen: dict[str, list[int]] = field(default_factory=dict)
    errors: list[BaseException] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def flowing(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._until_over, args=(work,)) for work in (self._write, self._read)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.over.set()
            for thread in threads:
                thread.join()
        assert not self.errors

    def _until_over(self, work: Any) -> None:
        try:
            while not self.over.is_set():
                work()
                time.sleep(0.05)
        except BaseException as error:
            self.errors.append(error)

    def _write(self) -> None:
        batch = [event(content) for content in self.busy for _ in range(7)]
        self.collector.post("/events", json=[*batch, *batch[:5]]).raise_for_status()
        self.accepted.update(dict.fromkeys(self.busy, 7))

    def _read(self) -> None:
        for content, count in views(self.api, self.watched).items():
            self.seen.setdefault(content, []).append(count)


def views(api: httpx2.Client, contents: Iterable[str]) -> dict[str, int]:
    answers = {content: api.get(f"/content/{content}/stats").raise_for_status().json() for content in contents}
    return {content: answer["totals"].get("view", 0) for content, answer in answers.items()}


def new_pieces(api: httpx2.Client, name: str, count: int) -> list[str]:
    one = {"type": "custom", "title": "Recounted", "platforms": ["web"], "status": "published"}
    new = {"pieces": [{**one, "source_ref": f"{name}-{n}-{uuid4()}"} for n in range(count)]}
    answer = api.post("/content/bulk", json=new).raise_for_status().json()
    return [str(each["id"]) for each in (answer if isinstance(answer, list) else answer["pieces"])]


def plant(stores: Stores, events: dict[str, list[dict[str, Any]]]) -> set[tuple[Any, ...]]:
    """Too much and too little, in every store; answers what a recount must name, and nothing else."""
    large, small, fast_large, fast_small, row, _ = events
    minutes = {content: minutes_of(sent) for content, sent in events.items()}
    (doubled, counted), (lost, had) = minutes[large].most_common(1)[0], minutes[small].most_common(1)[0]
    stores.minute(large, doubled, 2 * QUIET)
    stores.clickhouse.command("DELETE FROM engagement_minutes WHERE content_id = {c:UUID}", {"c": small})
    for at, count in minutes[small].items():
        stores.minute(small, at, count - 1 if at == lost else count)
    stores.total(fast_large, 2 * QUIET)
    stores.total(fast_small, 3)
    stores.row(row, 2 * QUIET)
    return {
        (AGGREGATE, large, False, "view", QUIET + 2 * QUIET - counted, QUIET),
        (AGGREGATE_MINUTES, large, True, "view", 2 * QUIET, counted),
        (AGGREGATE, small, False, "view", QUIET - 1, QUIET),
        (AGGREGATE_MINUTES, small, True, "view", had - 1, had),
        (REDIS, fast_large, False, "view", 2 * QUIET, QUIET),
        (REDIS, fast_small, False, "view", 3, QUIET),
        (POSTGRES, row, False, "view", 2 * QUIET, QUIET),
        (POSTGRES, row, False, "(version)", 2 * QUIET, QUIET),
    }


def minutes_of(events: list[dict[str, Any]]) -> Counter[int]:
    return Counter(time_ms(UUID(each["id"])) // 60_000 for each in events)


def named(change: dict[str, Any]) -> tuple[Any, ...]:
    where = (change["pair"], change["content_id"], change["minute"] is not None, change["kind"])
    return (*where, *(sum(change[side][:1]) for side in ("before", "after")))


def killed_at(system: System, step: str) -> None:
    """A recount that gets no further."""
    environment = {**system.environment(), **system.variables}
    command = [sys.executable, "-c", KILLED_AT, step]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


def test_what_was_planted_is_named_and_counted_again_while_events_come_and_readers_look(
    system: System, key: str, stores: Stores
) -> None:
    with system.api() as api, system.collector(key) as collector:
        quiet, busy = new_pieces(api, "quiet", 6), new_pieces(api, "busy", 3)
        sent = {content: [event(content) for _ in range(QUIET)] for content in quiet}
        post_until_accepted(system, key, [each for events in sent.values() for each in events])
        assert eventually(lambda: views(api, quiet) == dict.fromkeys(quiet, QUIET))
        in_postgres = f"/content/{quiet[4]}"
        assert eventually(lambda: api.get(in_postgres).json()["engagement_stats"].get("totals"))

        traffic = Traffic(collector, api, busy, [busy[0], quiet[-1]])
        with traffic.flowing():
            assert eventually(lambda: traffic.seen.get(busy[0], [0])[-1] > 0)
            traffic.seen.clear()
            planted = plant(stores, sent)
            only = system.run("recount", "--dry-run", "--content", quiet[0], "--json", "--wait", "0", check=False)
            killed_at(system, "held")
            done = system.run("recount", "--json", "--wait", "1", check=False)
        report = json.loads(done.stdout)
        assert (done.returncode, report["left"]) == (0, []), done.stderr
        assert {named(change) for change in report["changes"] if change["content_id"] in quiet} == planted
        of_one = {each for each in planted if each[1] == quiet[0]}
        assert {named(change) for change in json.loads(only.stdout)["changes"]} == of_one
        for content, seen in traffic.seen.items():
            assert seen == sorted(seen), f"{content}: a figure went back"
            assert seen[0] > 0
        expected = {**traffic.accepted, **dict.fromkeys(quiet, QUIET)}
        assert eventually(lambda: views(api, expected) == expected)
        totals = api.get(in_postgres).json()["engagement_stats"]["totals"]
        assert totals["web"]["view"]["count"] == QUIET
    system.run("verify")


def test_a_recount_killed_after_the_swap_is_finished_by_the_workers_though_nothing_comes(
    system: System, key: str, stores: Stores
) -> None:
    with system.api() as api:
        large, fast, row, never = new_pieces(api, "killed", 4)
        pieces = [large, fast, row]
        sent = {content: [event(content) for _ in range(QUIET)] for content in pieces}
        post_until_accepted(system, key, [each for events in sent.values() for each in events])
        assert eventually(lambda: views(api, pieces) == dict.fromkeys(pieces, QUIET))
        assert eventually(lambda: {in_postgres(api, content) for content in pieces} == {QUIET})

        stores.minute(large, max(minutes_of(sent[large])), 3 * QUIET)
        stores.total(fast, 2 * QUIET)
        stores.row(row, 3, events=2 * QUIET)
        stores.row(never, 5)
        killed_at(system, "swapped")
        assert in_aggregates(stores, large) == QUIET
        assert eventually(lambda: views(api, pieces) == dict.fromkeys(pieces, QUIET), within_s=20)
        assert eventually(lambda: in_postgres(api, row) == QUIET, within_s=20)
    assert eventually(lambda: system_differences(system) == [], within_s=20)


def test_only_what_was_selected_is_counted_again_and_a_recount_that_died_after_the_swap_is_finished(
    system: System, key: str, stores: Stores
) -> None:
    hours_ago = int(time.time() * 1000) - 2 * 3_600_000
    with system.api() as api:
        old, new, both, row = pieces = new_pieces(api, "selected", 4)
        sent = {content: [event(content) for _ in range(QUIET)] for content in (new, row)}
        sent |= {
            content: [{**event(content), "id": str(past(hours_ago))} for _ in range(QUIET)] for content in (old, both)
        }
        sent[both][0] = event(both)
        post_until_accepted(system, key, [each for events in sent.values() for each in events])
        assert eventually(lambda: views(api, pieces) == dict.fromkeys(pieces, QUIET))
        assert eventually(lambda: in_postgres(api, row) == QUIET)

        minutes = {content: minutes_of(events) for content, events in sent.items()}
        for content in (old, new):
            stores.minute(content, max(minutes[content]), 3 * QUIET)
        stores.row(row, 3, events=QUIET)
        wrong = {(each["pair"], each["content_id"]) for each in system_differences(system)}
        assert (POSTGRES, row) in wrong, "too little under the right version is a difference"

        since = datetime.fromtimestamp(hours_ago / 1000 + 3600, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        assert counted_again(system, "--since", since)["left"] == []
        assert in_aggregates(stores, new) == QUIET
        assert eventually(lambda: in_postgres(api, row) == QUIET)
        assert in_aggregates(stores, old) > 2 * QUIET, "it is older"
        assert in_aggregates(stores, both) == QUIET, "what is older is kept"

        killed_at(system, "swapped")
        assert in_aggregates(stores, old) == QUIET
        assert views(api, [new, both, row]) == dict.fromkeys([new, both, row], QUIET)
        post_until_accepted(system, key, [event(old)])
        assert eventually(lambda: views(api, [old]) == {old: QUIET + 1})
        finished = counted_again(system, "--content", old)
        assert (finished["left"], finished["pieces"]) == ([], 1)
    assert system_differences(system) == []


def past(unix_ms: int) -> UUID:
    return id_at(unix_ms, uuid4().bytes)


def in_aggregates(stores: Stores, content: str) -> int:
    asked = "SELECT sum(count) FROM engagement_minutes WHERE content_id = {c:UUID}"
    return int(stores.clickhouse.query(asked, {"c": content}).result_rows[0][0])


def in_postgres(api: httpx2.Client, content: str) -> int:
    totals = api.get(f"/content/{content}").raise_for_status().json()["engagement_stats"].get("totals", {})
    return int(totals.get("web", {}).get("view", {}).get("count", 0))


def system_differences(system: System) -> list[dict[str, Any]]:
    found = system.run("verify", "--all", "--json", "--wait", "1", check=False)
    return list(json.loads(found.stdout)["differences"])


def counted_again(system: System, *selected: str) -> dict[str, Any]:
    """The report of a recount of a part."""
    return dict(json.loads(system.run("recount", *selected, "--json", "--wait", "0").stdout))
