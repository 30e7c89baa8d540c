"""What a processor may touch."""

from collections.abc import Callable
from dataclasses import dataclass

import redis.asyncio
from aiokafka import AIOKafkaProducer
from clickhouse_connect.driver.client import Client


@dataclass(frozen=True)
class Doors:
    """Open clients, shared by all processors of a process."""

    clickhouse: Client
    """blocks: call it through `asyncio.to_thread`"""
    redis: redis.asyncio.Redis
    producer: AIOKafkaProducer
    now: Callable[[], float]
    """unix seconds"""
