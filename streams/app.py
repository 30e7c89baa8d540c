"""The Faust application: which processors there are, and what keeps it from standing still.

A processor is an agent. Its position is stored in ClickHouse after every effect of the messages before it is durable,
and on each assignment the consumer seeks there (`streams.consumer`). Faust's private names are used in these two files
and nowhere else, so its version is pinned.
"""

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, cast

import faust
import structlog
from aiokafka import TopicPartition
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from mode import CrashingSupervisor

from streams import freshness
from streams.consumer import FencedTransport
from streams.runner import Runner
from wire.kafka import bootstrap
from wire.settings import Settings
from wire.topics import EVENTS

STUCK_S = 60
"""How long a rebalance may stand still; with a frozen worker in the group it takes 20 s."""
LOOK_EVERY_S = 5
ENDING_S = 10
"""How long Faust may take to end, once nothing of it matters any more."""

_log = structlog.stdlib.get_logger("streams.app")


class Taken(faust.Topic):
    """A topic whose stream has one item a flush: the records that waited, as its runner hands them out."""

    async def __anext__(self) -> Any:
        """All that waits, once something does."""
        return await cast("Streams", self.app).runners[self.topics[0]].take()


class PatientRecovery(Recovery):
    """Waits for an assignment as long as the stores take: after Faust's time limit, which it takes for its own end, it
    would never look at another assignment."""

    async def _wait(self, coro: Any, timeout: Any = None) -> None:  # noqa: ARG002, ASYNC109  # Faust's
        await super()._wait(coro)


class PatientTables(TableManager):
    """There are no tables; what runs after each assignment is in their recovery."""

    @property
    def recovery(self) -> PatientRecovery:
        """Made when it is first asked for."""
        if self._recovery is None:
            self._recovery = PatientRecovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return cast("PatientRecovery", self._recovery)


class Streams(faust.App):
    """One agent a processor, one at a time each: a partition's order is the order of the log."""

    runners: dict[str, Runner]
    on_assigned: Callable[[], None]
    on_stopped: Callable[[], Awaitable[None]]
    broker_answers: Callable[[], Awaitable[object]]

    def _new_transport(self) -> FencedTransport:
        return FencedTransport(self.conf.broker_consumer, self)

    async def on_start(self) -> None:
        """Open every processor's doors before the first assignment."""
        await super().on_start()
        for runner in self.runners.values():
            await runner.start()

        events = self.runners[EVENTS.name]
        self.add_future(freshness.publish_for_ever(events.doors.redis, self._as_of))
        self.add_future(self._end_where_stuck())

    async def on_stop(self) -> None:
        """Store what is settled. After that nothing is lost, whatever becomes of Faust: where a rebalance is under way
        it may wait for ever for its consumer's thread, which has ended."""
        for runner in self.runners.values():
            await runner.stop()
        last = threading.Timer(ENDING_S, _end)
        last.daemon = True
        last.start()
        await super().on_stop()
        await self.on_stopped()

    async def _end_where_stuck(self) -> None:
        """Health is progress: where the broker answers, and yet a rebalance does not end, another process begins anew.

        What the stores take is no standstill. Looks are counted, not seconds: a process that was frozen is not stuck.
        """
        looks, of = 0, 0
        while looks * LOOK_EVERY_S < STUCK_S:
            await asyncio.sleep(LOOK_EVERY_S)
            runners = self.runners.values()
            stands = self.rebalancing and self.rebalancing_count == of and not any(one.is_beginning for one in runners)
            looks, of = looks + 1 if stands else 0, self.rebalancing_count
            if stands:
                await self.broker_answers()
        _log.error("a rebalance does not end; this process ends, and goes on at the stored position")
        os._exit(70)

    def _as_of(self) -> dict[int, int | None]:
        consumer = cast("Any", self.consumer)._thread._consumer  # noqa: SLF001  # faust does not pass its times on
        known: dict[int, int | None] = {}
        for partition, (offset, counted_ms) in self.runners[EVENTS.name].progress.items():
            at = TopicPartition(EVENTS.name, partition)
            if consumer is not None and at in consumer.assignment():
                water, polled_ms = consumer.highwater(at), consumer.last_poll_timestamp(at)
                known[partition] = freshness.as_of_ms(offset, water, polled_ms, counted_ms)
        return known


def _end() -> None:
    _log.warning("Faust does not end; this process does, all is stored")
    os._exit(0)


def build(
    settings: Settings,
    runners: Iterable[Runner],
    on_assigned: Callable[[], None],
    on_stopped: Callable[[], Awaitable[None]],
    broker_answers: Callable[[], Awaitable[object]],
) -> Streams:
    """The application, ready to be worked by `faust.Worker`; `on_stopped` comes after the last position was stored,
    `broker_answers` returns when it does."""
    app = Streams(
        "streams",
        broker=[f"kafka://{broker}" for broker in bootstrap(settings.kafka_url)],
        value_serializer="raw",
        key_serializer="raw",
        store="memory://",
        datadir=str(settings.state_dir / f"faust-{settings.worker_name}"),
        web_enabled=False,
        worker_redirect_stdouts=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        table_standby_replicas=0,
        agent_supervisor=CrashingSupervisor,
        TableManager=PatientTables,
        Topic=Taken,
        stream_wait_empty=False,
        stream_recovery_delay=0.0,
        broker_commit_interval=2.0,
        broker_session_timeout=10.0,
        broker_rebalance_timeout=10.0,
        broker_heartbeat_interval=2.0,
        broker_max_poll_interval=600.0,
        broker_max_poll_records=500,
        consumer_max_fetch_size=4 * 1024 * 1024,
        consumer_auto_offset_reset="earliest",
    )
    app.runners = {runner.topic.name: runner for runner in runners}
    app.on_assigned = on_assigned
    app.on_stopped = on_stopped
    app.broker_answers = broker_answers
    for runner in app.runners.values():
        topic = app.topic(runner.topic.name, acks=False)
        app.agent(topic, name=runner.topic.name, concurrency=1)(runner.consume)
    return app
