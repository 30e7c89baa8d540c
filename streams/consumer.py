"""Faust's consumer, as it is here: what a fetch brings goes on as it is, from the stored positions on.

Faust has the group, its assignments and its rebalances. Its own way of a message (four tasks, a queue, an event, an
acknowledgement) costs 0.1 ms each; here the records of a fetch are put into their runner's intake at once, and only
between a seek and the next rebalance, so that none is ever from another place of the log than the next one expected.
"""

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, cast

from aiokafka import AIOKafkaConsumer
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streams.lead import Lead

if TYPE_CHECKING:
    from streams.app import Streams

FETCH_WAIT_MS: Final = 100
"""How long a broker may hold its answer while nothing is new. Faust has 1,500, and Tansu looks again only after half of
that: every event would be 0.4 s late, and up to 0.75 s."""
FETCH_S: Final = 0.2
"""How long a fetch waits where nothing comes, and a seek for it."""
LOOK_AGAIN_S: Final = 0.02
"""While a rebalance is under way, or nothing has room."""


class PromptThread(driver.AIOKafkaConsumerThread):
    """Fetches without Faust's wait, which is no setting of its, and takes its group's lead where nobody has it."""

    def _create_worker_consumer(self, transport: driver.Transport) -> AIOKafkaConsumer:
        made = super()._create_worker_consumer(transport)
        made._fetch_max_wait_ms = FETCH_WAIT_MS  # noqa: SLF001  # read when it starts
        return made

    async def on_start(self) -> None:
        """Listen to who leads."""
        await super().on_start()
        Lead(self._consumer)


class FencedConsumer(driver.Consumer):
    """Goes on where the stored positions say; a fetch and a seek never overlap."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._one_at_a_time = asyncio.Lock()
        self._assigned_in = self._sought_in = -1
        """rebalances, by Faust's count: the last one that assigned, and the last one after which was sought"""

    @property
    def _streams(self) -> "Streams":
        return cast("Streams", self.app)

    def _new_consumer_thread(self) -> PromptThread:
        return PromptThread(self, loop=self.loop, beacon=self.beacon)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Note of which rebalance these are: the next one may begin at any time."""
        self._assigned_in = self._streams.rebalancing_count
        await super().on_partitions_assigned(assigned, generation_id)

    async def perform_seek(self) -> None:
        """Seek each assigned partition to its stored position, and forget what was in flight."""
        of, assigned = self._assigned_in, self.assignment()
        async with self._one_at_a_time:
            for name, runner in self._streams.runners.items():
                mine = {at.partition for at in assigned if at.topic == name}
                for partition, offset in (await runner.assigned(mine)).items():
                    await self._seek(TP(name, partition), offset)
            self._sought_in = of
        self._streams.on_assigned()

    @property
    def _is_in_place(self) -> bool:
        return self._sought_in == self._streams.rebalancing_count

    async def _drain_messages(self, fetcher: Any) -> None:
        """What Faust's fetcher runs: fetch, for ever."""
        try:
            while not (self.should_stop or fetcher.should_stop):
                if not await self._handed_on():
                    await asyncio.sleep(LOOK_AGAIN_S)
        except self.consumer_stopped_errors:
            if not self.app.should_stop:
                raise

    async def _handed_on(self) -> bool:
        """Fetch once for those that have room, and hand on what came; False where there was nothing to fetch for."""
        runners = self._streams.runners
        async with self._one_at_a_time:
            roomy = {at for at in self._get_active_partitions() if runners[at.topic].has_room}
            if not (self._is_in_place and roomy):
                return False
            fetched = await self._getmany(roomy, FETCH_S)
            if self._is_in_place:
                for at, records in fetched.items():
                    runners[at.topic].put(records)
            return True

    def _filter_committable_offsets(self, tps: Iterable[TP]) -> dict[TP, int]:  # noqa: ARG002  # none is acknowledged
        """What the group is told: the stored positions, so that whoever looks from outside sees how far it is."""
        stored = {TP(name, n): at for name, runner in self._streams.runners.items() for n, at in runner.stored.items()}
        return {at: offset for at, offset in stored.items() if self._should_commit(at, offset)}


class FencedTransport(driver.Transport):
    """Kafka, with that consumer."""

    Consumer = FencedConsumer
