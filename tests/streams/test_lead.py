"""A leader that leaves while its group forms is waited for by Tansu for ever; whoever takes its place ends that."""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import uuid4

from aiokafka import AIOKafkaConsumer
from aiokafka.protocol.group import LeaveGroupRequest
from pydantic import SecretStr

import wire.kafka
from streams.lead import Lead
from wire.topics import EVENTS


def member(url: str, group: str) -> AIOKafkaConsumer:
    """One that comes and is told its part; nothing is read."""
    return AIOKafkaConsumer(
        EVENTS.name,
        bootstrap_servers=wire.kafka.bootstrap(SecretStr(url)),
        group_id=group,
        enable_auto_commit=False,
        session_timeout_ms=6000,
    )


async def until(what: Callable[[], Any], within_s: float) -> None:
    for _ in range(round(within_s / 0.002)):
        if what():
            return
        await asyncio.sleep(0.002)
    raise AssertionError(f"not within {within_s} s")


async def test_the_lead_of_a_group_whose_leader_left_while_it_formed_is_taken(servers: Any) -> None:
    await wire.kafka.ensure_topics(SecretStr(servers.kafka_url))
    group = f"lead-{uuid4()}"
    leader, follower = member(servers.kafka_url, group), member(servers.kafka_url, group)
    await leader.start()
    await until(leader.assignment, 30)
    starting = asyncio.create_task(follower.start())
    try:
        await until(lambda: getattr(follower, "_coordinator", None), 10)
        Lead(follower)
        left = leader._coordinator.member_id
        await until(lambda: follower._coordinator.member_id, 10)
        await asyncio.sleep(0.3)  # it has asked to join, and for 3 s more others may
        await leader._coordinator._send_req(LeaveGroupRequest(group, left))
        await leader.stop()

        await until(lambda: len(follower.assignment()) == EVENTS.partitions, 60)
        if os.environ.get("KAFKA") != "apache":
            assert follower._coordinator.member_id == left
    finally:
        starting.cancel()
        with suppress(asyncio.CancelledError):
            await starting
        await follower.stop()
