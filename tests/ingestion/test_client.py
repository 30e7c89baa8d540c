"""The client delivers everything whatever stands in its way for a while, and says so when it cannot."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from ingestion.client import Client
from tests.conftest import free_port
from wire.errors import Poison, Transient


async def no_token() -> str:
    raise AssertionError("events need no access token")


def client_of(url: str, key: str, give_up_s: float = 30) -> Client:
    return Client(api_url=url, ingestion_url=url, write_key=key, token=no_token, give_up_s=give_up_s)


async def test_it_waits_as_long_as_it_is_told_and_delivers_all(
    running: Any, corner: Any, organization: Any, log: Any, tmp_path: Path
) -> None:
    (content,) = await organization.content()
    batches = [[organization.event(content) for _ in range(100)] for _ in range(5)]
    async with (
        running(corner, tmp_path, TALLYWIRE_INGESTION_EVENTS_PER_SECOND="150") as collecting,
        client_of(collecting.url, organization.key) as client,
    ):
        taken = await asyncio.gather(*(client.events(batch) for batch in batches))
    assert [one.accepted for one in taken] == [100] * 5
    stored = await log.events(organization.id, 500)
    assert sorted(event["id"] for event in stored) == sorted(event["id"] for batch in batches for event in batch)


async def test_it_goes_on_trying_until_somebody_answers(
    running: Any, corner: Any, organization: Any, tmp_path: Path
) -> None:
    (content,) = await organization.content()
    port = free_port()
    async with client_of(f"http://127.0.0.1:{port}", organization.key) as client:
        sending = asyncio.create_task(client.events([organization.event(content)]))
        await asyncio.sleep(1)
        async with running(corner, tmp_path, port=port):
            assert (await sending).accepted == 1


async def test_it_gives_up_after_its_time_and_says_what_was_in_the_way() -> None:
    async with client_of(f"http://127.0.0.1:{free_port()}", "twk_", give_up_s=1) as client:
        with pytest.raises(Transient, match="did not take it in 1 s; the last answer was ConnectError"):
            await client.events([])


async def test_a_refusal_as_a_whole_is_not_tried_again(collecting: Any) -> None:
    async with client_of(collecting.url, f"twk_{'a' * 43}") as client:
        with pytest.raises(Poison, match="401"):
            await client.events([])
