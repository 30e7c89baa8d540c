"""Quix Streams: a tumbling window with a reduce, as its documentation does; no repartition, which would cost more."""

import os
from typing import Any

from quixstreams import Application

from benchmarks.contenders.result import Clock, Counts, digest, task, tell

TASK = task()
MINUTE_MS = 60_000

windows: dict[tuple[str, int], dict[str, int]] = {}
"""(content, unix minute) -> `platform|kind` -> events, as last told"""
clock: list[Clock] = []
seen = 0


def initialize(event: dict[str, Any]) -> dict[str, int]:
    """The first event of a piece in a minute; the very first starts the clock."""
    if not clock:
        clock.append(Clock())
    return reduce({}, event)


def reduce(cells: dict[str, int], event: dict[str, Any]) -> dict[str, int]:
    """One event more."""
    cell = f"{event['platform']}|{event['kind']}"
    cells[cell] = cells.get(cell, 0) + 1
    return cells


def each(window: dict[str, Any], key: str, _timestamp: int, _headers: object) -> None:
    """A piece's minute as it now stands; after the last event all is told."""
    global seen  # noqa: PLW0603  # a callback without an object of its own
    windows[key, window["start"] // MINUTE_MS] = window["value"]
    seen += 1
    if seen == TASK["events"]:
        tell(seen, clock[0].read(), "quixstreams", "confluent-kafka", digest=digest(counted()))
        os._exit(0)


def counted() -> Counts:
    """What the windows held."""
    counts = {}
    for (content, minute), cells in windows.items():
        for cell, count in cells.items():
            platform, kind = cell.split("|")
            counts[content, platform, kind, minute] = count
    return counts


def main() -> None:
    """Count until the last event."""
    app = Application(
        broker_address=TASK["kafka"],
        consumer_group=f"quix-{TASK['run']}",
        auto_offset_reset="earliest",
        state_dir=TASK["folder"],
        loglevel="ERROR",
        consumer_extra_config={"fetch.queue.backoff.ms": 10},
    )
    topic = app.topic(TASK["topic"], value_deserializer="json", key_deserializer="str")
    topic.broker_config.extra_config.setdefault("retention.ms", "-1")  # not every broker tells it
    frame = app.dataframe(topic).tumbling_window(duration_ms=MINUTE_MS)
    frame.reduce(reducer=reduce, initializer=initialize).current().update(each, metadata=True)
    app.run()


if __name__ == "__main__":
    main()
