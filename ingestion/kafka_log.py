"""The log: Kafka, as one function that returns when it has the message."""

import asyncio
from types import TracebackType
from typing import Final, Self

import structlog
from aiokafka import AIOKafkaProducer
from pydantic import SecretStr

from wire import kafka
from wire.envelope import Headers
from wire.errors import Transient
from wire.topics import Topic

TIMEOUT_S: Final = 20
ANSWER_TIMEOUT_S: Final = 3
RETRY_S: Final = 1

log = structlog.stdlib.get_logger(__name__)


class KafkaLog:
    """Use as an async context. Where no broker answers at the start it goes on trying, and refuses until one does."""

    def __init__(self, url: SecretStr) -> None:
        self._url = url
        self._producer: AIOKafkaProducer | None = None
        self._starting: asyncio.Task[None] | None = None

    @property
    def is_up(self) -> bool:
        """Whether a broker has answered since the start."""
        return self._producer is not None

    async def answers(self) -> bool:
        """Whether a broker answers now."""
        if self._producer is None:
            return False
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                return bool(await self._producer.client.force_metadata_update())
        except kafka.TRANSIENT:
            return False

    async def append(
        self, topic: Topic, partition: int, value: bytes, headers: Headers = (), *, key: bytes | None = None
    ) -> None:
        """Returns when every in-sync replica has it. Raises Transient where that is not known within TIMEOUT_S."""
        if self._producer is None:
            raise Transient("Kafka has not answered yet")
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await self._producer.send_and_wait(
                    topic.name, value, key=key, partition=partition, headers=list(headers)
                )
        except (*kafka.TRANSIENT, AssertionError) as error:  # the client asserts that the partition exists
            raise Transient(f"Kafka did not take a message for {topic.name}/{partition}: {error!r}") from error

    async def _start(self) -> None:
        while self._producer is None:
            try:
                self._producer = await kafka.producer(self._url)
            except Transient as error:
                log.warning("Kafka is away, trying again", error=str(error))
                await asyncio.sleep(RETRY_S)

    async def __aenter__(self) -> Self:
        self._starting = asyncio.create_task(self._start())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._starting is not None:
            self._starting.cancel()
        if self._producer is not None:
            await self._producer.stop()
