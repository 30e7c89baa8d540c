"""The benchmarks in small: every row gives numbers, and every count is that of the independent count. Never a time."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.contenders.result import digest
from benchmarks.report import joined
from benchmarks.rows import FULL, QUICK, Size, by_place, rows

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    results = tmp_path_factory.mktemp("bench") / "results.json"
    command = [sys.executable, "-m", "benchmarks", "--quick", "--results", str(results)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(results.read_text())
    return {**found, "table": done.stdout}


def runs(told: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{row['name']}: {entry['label']}", run)
        for row in told["rows"]
        for entry in row["contenders"]
        for run in entry["runs"]
        if "skipped" not in run
    ]


@pytest.mark.timeout(600)
def test_every_row_gives_numbers_and_is_in_the_table(told: dict[str, Any]) -> None:
    assert [row["name"] for row in told["rows"]] == [row.name for row in rows(QUICK)]
    for row in told["rows"]:
        assert f"**{row['name']}**" in told["table"]
        assert "skipped" not in row["contenders"][0]["runs"][0], "ours always runs"
    for name, run in runs(told):
        assert run["events"] > 0, name
        assert run["cpu_seconds"] > 0, name
        assert run["wall_seconds"] > 0, name
        assert run["rss_mb"] > 0, name


@pytest.mark.timeout(600)
def test_every_count_equals_the_independent_count(told: dict[str, Any]) -> None:
    compared = {name: run["equal"] for name, run in runs(told) if "equal" in run}
    assert [name for name, equal in compared.items() if not equal] == []
    assert {
        "counted per content, platform, kind and minute: Tallywire",
        "HTTP, JSON, batches of 100: Tallywire",
    } <= set(compared)


@pytest.mark.timeout(600)
def test_what_was_accepted_became_visible_in_both_stores(told: dict[str, Any]) -> None:
    (run,) = [run for name, run in runs(told) if name.startswith("accepted to visible")]
    for level in run["levels"].values():
        assert level["probes"] > 0
        assert level["refused"] == 0
        assert level["redis_p99_s"] < float("inf")
        assert level["clickhouse_p99_s"] < float("inf")


@pytest.mark.parametrize("size", [QUICK, FULL], ids=["quick", "full"])
def test_every_row_has_a_place_and_only_one(size: Size) -> None:
    measured = [row.name for _, some in by_place(rows(size), size) for row in some]
    assert sorted(measured) == sorted(row.name for row in rows(size))


def test_a_fingerprint_tells_one_event_more_or_elsewhere() -> None:
    counts = {("piece", "web", "view", 1): 2, ("piece", "x", "view", 1): 1}
    assert digest(counts) == digest(dict(reversed(counts.items())))
    assert digest(counts) != digest({**counts, ("piece", "x", "view", 1): 2})
    assert digest(counts) != digest({("piece", "web", "view", 2): 2, ("piece", "x", "view", 1): 1})


def test_a_row_that_is_measured_anew_takes_the_place_of_the_old_one_and_no_other() -> None:
    def run(*names: str, at: str) -> dict[str, Any]:
        return {"machine": {"cpu": "x"}, "versions": {}, "rows": [{"name": name, "at": at} for name in names]}

    told = joined(run("a", "b", "gone", at="old"), run("b", at="new"), ["a", "b", "c"])
    assert [(row["name"], row["at"]) for row in told["rows"]] == [("a", "old"), ("b", "new")]
    elsewhere = {**run("a", at="old"), "machine": {"cpu": "y"}}
    assert [row["name"] for row in joined(elsewhere, run("b", at="new"), ["a", "b"])["rows"]] == ["b"]
