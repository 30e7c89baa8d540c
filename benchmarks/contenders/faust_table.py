"""Faust: a Table with a tumbling window, as its documentation counts page views."""

import os
from typing import Any

import faust

from benchmarks.contenders.result import Clock, Counts, digest, task, tell

TASK = task()
MINUTE_S = 60

app = faust.App(
    f"faust-{TASK['run']}",
    broker=f"kafka://{TASK['kafka']}",
    store="memory://",
    datadir=TASK["folder"],
    web_enabled=False,
    topic_partitions=TASK["partitions"],
    consumer_auto_offset_reset="earliest",
    topic_disable_leader=True,
)
topic = app.topic(TASK["topic"], value_serializer="json", key_type=bytes)
table = app.Table("counts", default=int, partitions=TASK["partitions"])
counts = table.tumbling(MINUTE_S)


def counted() -> Counts:
    """What the table holds."""
    held = table.data.items()
    return {(*key.split("|"), int(window[0]) // MINUTE_S): count for (key, window), count in held}


@app.agent(topic)
async def count(events: Any) -> None:
    """Count each event in its minute, by the message's time."""
    clock, seen = None, 0
    async for event in events:
        clock = clock or Clock()
        counts[f"{event['content_id']}|{event['platform']}|{event['kind']}"] += 1
        seen += 1
        if seen == TASK["events"]:
            tell(seen, clock.read(), "faust-streaming", "mode-streaming", digest=digest(counted()))
            os._exit(0)


if __name__ == "__main__":
    faust.Worker(app, loglevel="ERROR", redirect_stdouts=False, quiet=True).execute_from_commandline()
