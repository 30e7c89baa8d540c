"""`python -m benchmarks`: start servers, let every contender of every row run, tell."""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks import data, log, report
from benchmarks.contenders.result import digest
from benchmarks.place import Task, fresh_tables, place, with_writer
from benchmarks.processes import placed, use_cores
from benchmarks.rows import FULL, QUICK, Contender, Row, by_place, rows
from wire.topics import DEFAULT_PARTITIONS

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results.json"
PEERS = ROOT / ".venv-bench" / "bin" / "python"
WRITERS_PIECES = 2_000
GIVE_UP_S = 300
KAFKAS = "which Kafka: tansu keeps its log in memory, apache on disk (default: what KAFKA says, or tansu)"
STATE = "with --soak: what the worker's state may hold; so little that it is full within the first minutes"

Result = dict[str, Any]


def main() -> None:
    """Measure; print the table; put it into the page in docs, unless --quick."""
    words = argparse.ArgumentParser(prog="python -m benchmarks")
    words.add_argument("--quick", action="store_true", help="small numbers: does everything run and count right?")
    words.add_argument("--rows", default="", help="only rows whose name has this in it (or this|that)")
    words.add_argument("--results", type=Path, help="where the results go, as JSON, instead of into docs")
    words.add_argument("--soak", type=float, metavar="MINUTES", help="only memory at 80 %% of the capacity")
    words.add_argument("--kafka", choices=("tansu", "apache"), default=os.environ.get("KAFKA") or "tansu", help=KAFKAS)
    words.add_argument("--state-mb", type=int, default=512, metavar="MB", help=f"{STATE} (default: 512)")
    given = words.parse_args()
    if given.soak:
        before = os.getloadavg()[0]
        held = report.timed(_soaked(given.soak, given.kafka, given.state_mb), before)
        print(report.memory(held))
        if given.results:
            _write(given.results, held)
        else:
            _keep({**json.loads(RESULTS.read_text()), report.SOAKED: held})
        return
    size = QUICK if given.quick else FULL
    every = rows(size)
    chosen = [row for row in every if any(name in row.name for name in given.rows.split("|"))]
    before = os.getloadavg()[0]
    measured: dict[str, list[Result]] = {}
    for name, some in by_place(chosen, size):
        use_cores(all_of_them=name == "whole")
        with place(given.kafka) as task:
            measured |= _measured(some, size.runs, task)
    told = report.told(chosen, measured, before)
    print(report.table(told))
    if given.results:
        _write(given.results, told)
    elif not given.quick:
        told = report.joined(json.loads(RESULTS.read_text()), told, [row.name for row in every])
        _keep(told)


def _keep(told: Result) -> None:
    _write(RESULTS, told)
    (ROOT / "docs" / "benchmarks.md").write_text(report.page(told))


def _write(path: Path, told: Result) -> None:
    path.write_text(json.dumps(told, indent=1) + "\n")


def _measured(chosen: list[Row], runs: int, task: Task) -> dict[str, list[Result]]:
    """By `row/label`: what each run of a contender told. Contenders take turns, so that noise meets all of them."""
    found: dict[str, list[Result]] = {}
    topics: dict[int, tuple[str, str]] = {}
    same: dict[str, Result] = {}
    for run in range(runs):
        for row in chosen:
            for contender in row.contenders:
                once = f"{run} {contender.module} {contender.task}"
                if once not in same:
                    given = asyncio.run(with_writer(task, WRITERS_PIECES)) if row.writer else task
                    same[once] = _one(contender, run, given, topics)
                found.setdefault(f"{row.name}/{contender.label}", []).append(same[once])
                _say(f"run {run + 1}: {row.name}: {contender.label}: {report.short(same[once])}")
    return found


def _soaked(minutes: float, kafka: str, state_mb: int) -> Result:
    use_cores(all_of_them=True)
    with place(kafka) as task:
        told = {**asyncio.run(with_writer(task, WRITERS_PIECES)), "kafka_kind": kafka, "state_bytes": state_mb << 20}
        told["environment"] = {**task["of_worker"], "TALLYWIRE_STREAMS_STATE_BYTES": str(state_mb << 20)}
        more = {"any_core": True, "events": FULL.stages, "minutes": minutes, "give_up_s": 60 * minutes + GIVE_UP_S}
        return _run(Contender(report.SOAKED, "soak", {}), {**told, **more})


def _one(contender: Contender, run: int, task: Task, topics: dict[int, tuple[str, str]]) -> Result:
    told = {**task, **contender.task, "seed": run + 1, "run": f"{contender.module}-{run}", "peers_python": str(PEERS)}
    if (contender.peer or told.get("server") == "fastapi") and not PEERS.exists():
        return {"skipped": "its packages are not installed: make bench installs them"}
    expected = None
    if contender.json_topic:
        topic, expected = _json_topic(contender.task["events"], task, topics)
        told |= {"topic": topic, "folder": str(_folder(task, told["run"])), "pids": {}, "environment": {}}
    elif told.get("server") == "fastapi":
        told["topic"] = f"posted-{time.time_ns()}"
        asyncio.run(log.make_topic(f"kafka://{task['kafka']}", told["topic"], DEFAULT_PARTITIONS))
    elif contender.module in {"tallywire_streams", "latency"}:
        told |= {"environment": task["of_worker"]}
    else:
        told = fresh_tables(told)
    result = _run(contender, told)
    if expected is not None:
        result["equal"] = result.get("digest") == expected
    return result


def _json_topic(events: int, task: Task, topics: dict[int, tuple[str, str]]) -> tuple[str, str]:
    """A topic of so many events as JSON, filled once, and the fingerprint of its independent count."""
    if events not in topics:
        topic, kafka_url = f"json-{events}", f"kafka://{task['kafka']}"
        of = data.happened(events, 2_000, seed=1, until_ms=int(time.time() * 1000))
        asyncio.run(log.make_topic(kafka_url, topic, DEFAULT_PARTITIONS))
        asyncio.run(log.fill(kafka_url, topic, data.messages(of, DEFAULT_PARTITIONS)))
        topics[events] = topic, digest(data.counts(of))
    return topics[events]


def _folder(task: Task, name: str) -> Path:
    folder = Path(task["folder"]) / name
    folder.mkdir(exist_ok=True)
    return folder


def _run(contender: Contender, told: Task) -> Result:
    """A contender's own line. Raises RuntimeError, with what it said, where there is none."""
    python = str(PEERS) if contender.peer else sys.executable
    command = [python, "-m", f"benchmarks.contenders.{contender.module}", json.dumps(told)]
    if contender.module not in {"content_api", "http", "latency", "soak", "tallywire_streams"}:
        command = placed(told, *command)
    give_up_s = told.get("give_up_s", GIVE_UP_S)
    says = None if contender.module == "soak" else subprocess.PIPE
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=says, text=True, timeout=give_up_s, check=False
    )
    lines = [line[line.index('{"events"') :] for line in done.stdout.splitlines() if '{"events"' in line]
    if not lines:
        raise RuntimeError(f"{contender.label} told nothing:\n{done.stdout[-1500:]}\n{(done.stderr or '')[-3000:]}")
    result: Result = json.loads(lines[-1])
    if result.get("equal") is False:
        _say(f"{contender.label}: {result.get('stores', '')}\n{(done.stderr or '')[-3000:]}")
    return result


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    assert find_spec("streams"), "run it from the checkout"
    main()
