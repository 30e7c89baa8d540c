"""The routes: every Kafka topic, RabbitMQ exchange and queue, in one table each.

A content's partition never changes while its topic's version lives; growing a topic is a new version and a hand-over.
"""

from dataclasses import dataclass
from typing import Final

DEFAULT_PARTITIONS: Final = 12


@dataclass(frozen=True)
class Topic:
    """A Kafka topic; messages are keyed by content, one content is always one partition."""

    name: str
    partitions: int
    carries: str


EVENTS: Final = Topic("engagement.events.v1", DEFAULT_PARTITIONS, "Arrow envelopes of engagement events")
SNAPSHOTS: Final = Topic("engagement.snapshots.v1", 3, "JSON lists of platform totals captured at a time")
REJECTIONS: Final = Topic("engagement.rejections.v1", 3, "JSON lists of what was refused, with reasons")
CONTENT: Final = Topic("content.events.v1", DEFAULT_PARTITIONS, "JSON content events, from the outbox")
FINDINGS: Final = Topic("content.findings.v1", 3, "JSON commands that the stream processors issue")

TOPICS: Final = (EVENTS, SNAPSHOTS, REJECTIONS, CONTENT, FINDINGS)

EPOCH_TOPIC_PREFIX: Final = "tallywire.epoch."
"""A topic whose name ends in the second the log was born: offsets of a lost log never meet those of a new one."""


@dataclass(frozen=True)
class Queue:
    """A durable quorum queue and what it is bound to."""

    name: str
    exchange: str
    binding: str


EVENTS_EXCHANGE: Final = "tallywire.events"
COMMANDS_EXCHANGE: Final = "tallywire.commands"
DEAD_EXCHANGE: Final = "tallywire.dead"

COMMAND_SHARDS: Final = 4
TO_KAFKA: Final = Queue("events.to_kafka", EVENTS_EXCHANGE, "#")
COMMANDS: Final = tuple(Queue(f"commands.{n}", COMMANDS_EXCHANGE, f"#.shard.{n}") for n in range(COMMAND_SHARDS))
DEAD: Final = Queue("commands.dead", DEAD_EXCHANGE, "#")
