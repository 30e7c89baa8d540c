"""Results -> the table on the terminal, and the page in docs."""

import os
import platform
import statistics
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.rows import Row

SOAKED = "memory"
Result = dict[str, Any]
Told = dict[str, Any]


def told(rows: Sequence[Row], measured: dict[str, list[Result]], load_before: float) -> Told:
    """One run, ready to be kept: the machine, versions, and per row when it was, medians, ratios and runs."""
    versions: dict[str, str] = {"python": platform.python_version()}
    for results in measured.values():
        for result in results:
            versions |= result.get("versions", {})
    return {
        "machine": {"cpu": _cpu(), "cores": os.cpu_count(), "kernel": platform.release()},
        "versions": dict(sorted(versions.items())),
        "rows": [timed(_row(row, measured), load_before) for row in rows],
    }


def timed(of: Told, load_before: float) -> Told:
    """With the time now, and the machine's load at the beginning and now."""
    return {**of, "at": datetime.now(UTC).isoformat(timespec="minutes"), "load": [load_before, os.getloadavg()[0]]}


def joined(before: Told, now: Told, names: Sequence[str]) -> Told:
    """The rows of these names: of the run `now`, or else of earlier ones on such a machine."""
    same = before.get("machine") == now["machine"]
    rows = {row["name"]: row for row in [*(before["rows"] if same else []), *now["rows"]]}
    versions = {**(before["versions"] if same else {}), **now["versions"]}
    kept = {**before, **now} if same else now
    return {**kept, "versions": dict(sorted(versions.items())), "rows": [rows[name] for name in names if name in rows]}


def _row(row: Row, measured: dict[str, list[Result]]) -> Told:
    contenders = []
    ours: list[float] = []
    for contender in row.contenders:
        results = measured[f"{row.name}/{contender.label}"]
        entry: Told = {"label": contender.label, "runs": results}
        if rates := [rate(result) for result in results if "skipped" not in result]:
            ours = ours or rates
            entry |= {"median": statistics.median(rates), "least": min(rates), "most": max(rates)}
            entry["ratio"] = statistics.median(a / b for a, b in zip(ours, rates, strict=True))
            entry["reach"] = row.reach.get(contender.label)
        contenders.append(entry)
    return {"name": row.name, "unit": row.unit, "contenders": contenders}


def rate(result: Result) -> float:
    """Events for each second of CPU."""
    return float(result["events"] / result["cpu_seconds"])


def short(result: Result) -> str:
    """A result in a few words."""
    if "skipped" in result:
        return f"skipped, {result['skipped']}"
    equal = {True: ", counts equal", False: ", COUNTS DIFFER", None: ""}[result.get("equal")]
    return f"{result['events']:,} events, {rate(result):,.0f} a CPU second{equal}"


def table(of: Told) -> str:
    """The whole as text, in Markdown, which a terminal shows well enough."""
    machine, versions = of["machine"], ", ".join(f"{name} {version}" for name, version in of["versions"].items())
    lines = [f"Measured on {machine['cores']} x {machine['cpu']}, Linux {machine['kernel']}.", f"Versions: {versions}."]
    for row in of["rows"]:
        load = " to ".join(f"{value:.1f}" for value in row["load"])
        lines += ["", f"**{row['name']}** ({row['at']}, load {load})", ""]
        shape = {"ns of CPU an event": _stages, "seconds": _latency, "ms": _reads}.get(row["unit"], _rates)
        lines += shape(row)
    if held := of.get(SOAKED):
        lines += ["", f"**memory at {held['part']:.0%} of the capacity** ({held['at']})", "", memory(held)]
    return "\n".join(lines)


def _rates(row: Told) -> list[str]:
    head = (
        f"| | {row['unit']}, median [least - most] | {row['contenders'][0]['label']} is | to reach | counts | memory |"
    )
    lines = [head, "|---|--:|--:|--:|---|--:|"]
    for entry in row["contenders"]:
        if "median" not in entry:
            lines.append(f"| {entry['label']} | {entry['runs'][0]['skipped']} | | | | |")
            continue
        spread = f"{entry['median']:,.0f} [{entry['least']:,.0f} - {entry['most']:,.0f}]"
        reach = f"{entry['reach']:g}x" if entry["reach"] else ""
        memory = max(run["rss_mb"] for run in entry["runs"])
        counts = _counts([run["equal"] for run in entry["runs"] if "equal" in run])
        lines.append(f"| {entry['label']} | {spread} | {entry['ratio']:.2f}x | {reach} | {counts} | {memory:,.0f} MB |")
    return lines


def _counts(equal: list[bool]) -> str:
    if not equal:
        return ""
    return "equal" if all(equal) else "DIFFER"


def _stages(row: Told) -> list[str]:
    runs = row["contenders"][0]["runs"]
    medians = {name: statistics.median(run["ns"][name] for run in runs) for name in runs[0]["ns"]}
    head = ["| stage | ns of CPU an event, median |", "|---|--:|"]
    return [*head, *(f"| {name} | {median:,.0f} |" for name, median in medians.items())]


def _latency(row: Told) -> list[str]:
    runs = row["contenders"][0]["runs"]
    capacity = statistics.median(run["capacity"] for run in runs)
    lines = [f"Capacity: {capacity:,.0f} events a second on all cores, the load's own cost included.", ""]
    lines += ["| load | Redis p50 | Redis p99 | ClickHouse p50 | ClickHouse p99 |", "|---|--:|--:|--:|--:|"]
    names = ("redis_p50_s", "redis_p99_s", "clickhouse_p50_s", "clickhouse_p99_s")
    for part in runs[0]["levels"]:
        figures = [statistics.median(run["levels"][part][name] for run in runs) for name in names]
        lines.append(f"| {part} % | " + " | ".join(f"{figure:.2f} s" for figure in figures) + " |")
    return lines


def _reads(row: Told) -> list[str]:
    runs = row["contenders"][0]["runs"]
    lines = [f"{runs[0]['pieces']:,} pieces in 100 organizations, four connections, one process of the API.", ""]
    lines += ["| asked for | p50 | p99 | answers per CPU second of the API | PostgreSQL's CPU, each |"]
    lines += ["|---|--:|--:|--:|--:|"]
    for name in runs[0]["parts"]:
        parts = [run["parts"][name] for run in runs]
        p50, p99 = (statistics.median(part[key] for part in parts) for key in ("p50_ms", "p99_ms"))
        rates = statistics.median(part["requests"] / part["cpu_seconds"] for part in parts)
        of_postgres = statistics.median(part["postgres_cpu_seconds"] / part["requests"] for part in parts) * 1000
        lines.append(f"| {name} | {p50:.1f} ms | {p99:.1f} ms | {rates:,.0f} | {of_postgres:.1f} ms |")
    return lines


def memory(result: Result) -> str:
    """What a soak told, as text."""
    minutes = result["wall_seconds"] / 60
    lines = [
        f"{result['events']:,} events in {minutes:.1f} minutes, {result['refused']} requests refused; the capacity was"
        f" {result['capacity']:,.0f} events a second.",
        *_on_what(result),
        "",
        "| | memory at first | in the middle | at the end | the most | a minute, over the second half |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for name, of in result["memory"].items():
        held = " | ".join(f"{of[at]:,.0f} MB" if at in of else "" for at in ("first", "middle", "last", "most"))
        lines.append(f"| {name} | {held} | {of['mb_a_minute']:+.2f} MB |")
    return "\n".join(lines)


def _on_what(result: Result) -> list[str]:
    if "kafka_kind" not in result:
        return []  # measured before it was told
    kafka = {"tansu": "Tansu, its log in memory", "apache": "Apache Kafka, its log on disk"}[result["kafka_kind"]]
    counts = {True: "all stores have the same", False: "THE STORES DIFFER"}[result["equal"]]
    return [f"Kafka is {kafka}; the worker's state may hold {result['state_bytes'] >> 20:,} MB; {counts}."]


def page(of: Told) -> str:
    """The page in docs."""
    return f"""# Benchmarks

Written by `make bench`, or a row at a time by `python -m benchmarks --rows NAME`: a row's contenders were measured in
one run, by turns. The raw results are in `benchmarks/results.json`.

- The figure is events for each second of CPU, which other work on the machine disturbs least; three runs, contenders by
  turns, medians, and ratios of the same run. What is measured has a core to itself, and the broker, the stores and the
  load have the other.
- Tallywire's CPU is that of its workers, ClickHouse and Valkey together, merges until two seconds after the last stored
  position included, with every sink on; the peers count into memory and write nothing. The broker is in no figure.
- Peers' clocks start at their first event, Tallywire's when a warm worker finds the filled log: start-up is in none.
- Peers read one JSON message an event; Tallywire reads what its collector makes of the same events: envelopes, here of
  1,000. What the collector costs is in the rows on HTTP.
- Every contender's counts are compared with an independent count of the same events, cell by cell; the ledger, the
  aggregates and Redis are read back and compared too, and what a collector accepted is counted in the log.

What each stage costs and why, what bounds the memory, and what stands in the way: [performance.md](performance.md).

{table(of)}
"""


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
