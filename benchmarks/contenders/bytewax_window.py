"""Bytewax: count_window over tumbling windows, as its documentation does."""

import os
from datetime import UTC, datetime, timedelta
from typing import Any

import bytewax.operators as op
import bytewax.operators.windowing as win
import orjson
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.operators.windowing import EventClock, TumblingWindower
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import run_main

from benchmarks.contenders.result import Clock, digest, task, tell

TASK = task()
MINUTE = timedelta(minutes=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

counts: dict[tuple[str, str, str, int], int] = {}
clocks: list[Clock] = []


def event_of(message: Any) -> dict[str, Any]:
    """A message's JSON; the first starts the clock."""
    if not clocks:
        clocks.append(Clock())
    event: dict[str, Any] = orjson.loads(message.value)
    return event


def key_of(event: dict[str, Any]) -> str:
    """What is counted."""
    return f"{event['content_id']}|{event['platform']}|{event['kind']}"


def time_of(event: dict[str, Any]) -> datetime:
    """When it happened."""
    return datetime.fromtimestamp(event["at_ms"] / 1000, UTC)


class Kept(StatelessSinkPartition[tuple[str, tuple[int, int]]]):
    """Windows as they close, kept in a dict."""

    def write_batch(self, items: list[tuple[str, tuple[int, int]]]) -> None:
        """Keep some."""
        for key, (window, count) in items:
            content, platform, kind = key.split("|")
            counts[content, platform, kind, window] = count


class Keep(DynamicSink[tuple[str, tuple[int, int]]]):
    """One of them."""

    def build(self, step_id: str, worker_index: int, worker_count: int) -> Kept:  # noqa: ARG002  # Bytewax's
        """Bytewax's own way of making it."""
        return Kept()


def main() -> None:
    """Count until each partition's end, where every window closes."""
    flow = Dataflow("bytewax")
    source = KafkaSource([TASK["kafka"]], [TASK["topic"]], tail=False, add_config={"fetch.queue.backoff.ms": "10"})
    events = op.map("event", op.input("input", flow, source), event_of)
    clock = EventClock(ts_getter=time_of, wait_for_system_duration=timedelta(seconds=10))
    windower = TumblingWindower(align_to=EPOCH, length=MINUTE)
    counted = win.count_window("count", events, clock, windower, key_of)
    op.output("output", counted.down, Keep())
    run_main(flow)
    tell(sum(counts.values()), clocks[0].read(), "bytewax", "confluent-kafka", digest=digest(counts))
    os._exit(0)


if __name__ == "__main__":
    main()
