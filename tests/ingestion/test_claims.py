"""A collector tells ClickHouse what it has accepted, exactly, and holds up nobody where it cannot."""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from clickhouse_connect.driver.asyncclient import AsyncClient
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

import wire.clickhouse
from ingestion import claims as claims_module
from ingestion.accounts_table import AccountsTable, Claim
from ingestion.claims import SETTLED_S, Claims
from tests.conftest import free_port
from tests.databases import migrated_clickhouse
from wire.accounts import window_at

ORGANIZATIONS = [UUID(int=n) for n in range(1, 3)]
counts = st.dictionaries(
    st.tuples(st.sampled_from(ORGANIZATIONS), st.sampled_from([600, 900, 1200])), st.integers(1, 9), max_size=4
)
steps = st.lists(st.one_of(counts, st.sampled_from(["told", "away", "pause"])), max_size=30)


@given(steps)
async def test_what_is_stored_is_all_that_was_accepted_and_only_grows_though_stores_fail(taken: list[Any]) -> None:
    stored: dict[tuple[UUID, Any], int] = {}
    away, now = False, 1_800_000_000.0

    async def store(claims: Sequence[Claim]) -> None:
        for claim in claims:
            key = (claim.organization_id, claim.window)
            assert claim.accepted >= stored.get(key, 0)
            stored[key] = max(stored.get(key, 0), claim.accepted)
        if away:
            raise OSError("stored, perhaps, but nobody said so")

    accepted: Counter[Any] = Counter()
    claims = Claims(uuid4(), store, lambda: now)
    for step in taken:
        if isinstance(step, dict):
            claims.add(step)
            accepted.update({(of, window_at(at)): n for (of, at), n in step.items()})
        elif step == "pause":
            await claims.tell()
            now += SETTLED_S + 1
            accepted.clear()
            stored.clear()
            await claims.tell()
            assert not claims._totals
        else:
            away = step == "away"
            with suppress(OSError):
                await claims.tell()
            assert stored == accepted
            away = False
    await claims.tell()
    assert stored == accepted


async def test_what_cannot_be_told_is_bounded_and_the_newest_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims_module, "MAX_HELD", 2)
    claims = Claims(uuid4(), lambda _: asyncio.sleep(0))
    for organization in (1, 2, 3, 1):
        claims.add({(UUID(int=organization), 600): 1})
    claims._make_room()
    assert {of.int: total.accepted for (of, _), total in claims._totals.items()} == {3: 1, 1: 2}


@pytest.fixture(scope="module")
async def analytics(servers: Any) -> AsyncIterator[tuple[str, AsyncClient]]:
    """An own database of ClickHouse: its address, and a client of it."""
    with migrated_clickhouse(servers.clickhouse_url) as url:
        client = await wire.clickhouse.async_client(url)
        yield url.get_secret_value(), client
        await client.close()


async def accepted(client: AsyncClient, organization_id: UUID) -> list[tuple[int, int]]:
    """Per collector: how many it claims, and in how many windows."""
    asked = "SELECT sum(accepted), count() FROM accepted_events WHERE organization_id = {of:UUID} GROUP BY collector"
    return [(row[0], row[1]) for row in (await client.query(asked, {"of": organization_id})).result_rows]


async def test_a_collector_tells_what_it_accepted_within_seconds_and_the_rest_when_it_ends(
    corner: Any, organization: Any, running: Callable[..., Any], analytics: tuple[str, AsyncClient], tmp_path: Path
) -> None:
    url, client = analytics
    contents = await organization.content(20)
    async with running(corner, tmp_path, TALLYWIRE_CLICKHOUSE_URL=url) as collecting:
        batch = [organization.event(id_) for id_ in contents] * 2
        assert (await collecting.events([*batch, {"id": "bad"}], organization.key)).status_code == 202
        for _ in range(100):
            if [n for n, _ in await accepted(client, organization.id)] == [40]:
                break
            await asyncio.sleep(0.1)
        else:
            pytest.fail(f"after 10 s it claims {await accepted(client, organization.id)}")
        maps = await asyncio.to_thread(Path(f"/proc/{collecting.process.pid}/maps").read_text)
        assert "/pandas/" not in maps, "loading it holds up every request"
        assert (await collecting.events(batch[:7], organization.key)).status_code == 202
        collecting.process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(collecting.process.wait, 30)
    ((told, windows),) = await accepted(client, organization.id)
    assert told == 47
    assert windows <= 2
    table = AccountsTable(SecretStr(url))
    in_flight, oldest = await table.in_flight(window_at(0))
    await table.close()
    assert (in_flight, oldest is not None) == (47, True)


async def test_where_clickhouse_is_away_events_are_accepted_at_once_all_the_same(
    corner: Any, organization: Any, running: Callable[..., Any], tmp_path: Path
) -> None:
    nowhere = f"http://nobody@127.0.0.1:{free_port()}/default"
    (content,) = await organization.content(1)
    async with running(corner, tmp_path, TALLYWIRE_CLICKHOUSE_URL=nowhere) as collecting:
        for _ in range(3):
            answer: httpx2.Response = await collecting.events([organization.event(content)], organization.key)
            assert answer.status_code == 202
            assert answer.elapsed.total_seconds() < 1
            await asyncio.sleep(0.6)
        collecting.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(collecting.process.wait, 30) == 0
    assert "told to ClickHouse" in collecting.log.read_text()
