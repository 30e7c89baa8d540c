"""What many requests need at once is asked for once."""

import asyncio
from collections import Counter
from contextlib import closing
from typing import Any
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from ingestion.contents import Contents
from ingestion.database import Database
from ingestion.problems import Problem
from ingestion.questions import Questions
from ingestion.write_keys import WriteKeys
from wire.errors import Transient
from wire.settings import Settings


class Counted(Database):
    """PostgreSQL, and how often each value was asked for."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.postgres_relay_url)
        self.asked: Counter[Any] = Counter()

    async def fetch(self, sql: str, *values: Any) -> list[Any]:
        self.asked.update(values[0])
        return await super().fetch(sql, *values)


async def test_a_herd_after_a_start_asks_postgresql_once_for_each_piece_and_key(
    corner: Settings, organization: Any, new_organization: Any
) -> None:
    mine, missing = await organization.content(20), [str(uuid4())]
    foreign = await (await new_organization()).content(2)
    with closing(Counted(corner)) as database:
        contents, keys = Contents(database), WriteKeys(database)
        ids = [*mine, *foreign, *missing]
        batches = [ids[at:] + ids[:at] for at in range(len(ids))] * 3
        answers = await asyncio.gather(*(contents.unknown(organization.id, batch) for batch in batches))
        assert answers == [{*foreign, *missing}] * len(batches)
        bearer = f"Bearer {organization.key}".encode()
        found = await asyncio.gather(*(keys.find(bearer) for _ in range(50)))
    assert {key.organization_id for key in found} == {organization.id}
    assert set(database.asked.values()) == {1}
    assert len(database.asked) == len(ids) + 1


async def test_while_postgresql_is_away_everyone_who_waits_is_told_so_and_the_next_one_asks_again(
    corner: Settings, organization: Any
) -> None:
    away = corner.model_copy(update={"postgres_relay_url": type(corner.postgres_relay_url)("postgresql://127.0.0.1:1")})
    pieces = await organization.content(3)
    with closing(Counted(away)) as database:
        contents = Contents(database)
        for round_ in (1, 2):
            asking = [contents.unknown(organization.id, pieces) for _ in range(5)]
            told = await asyncio.gather(*asking, return_exceptions=True)
            assert [error.status for error in told if isinstance(error, Problem)] == [503] * 5
            assert database.asked == dict.fromkeys(pieces, round_)


@given(
    asked=st.lists(st.tuples(st.sets(st.integers(0, 7)), st.integers(0, 3), st.booleans()), max_size=12),
    there=st.sets(st.integers(0, 7)),
    away=st.sets(st.integers(0, 7)),
)
async def test_whoever_asks_along_gets_what_was_found_whoever_else_is_called_off(
    asked: list[tuple[set[int], int, bool]], there: set[int], away: set[int]
) -> None:
    under_way: set[int] = set()

    async def ask(keys: list[int]) -> dict[int, int]:
        assert under_way.isdisjoint(keys), "asked for already"
        under_way.update(keys)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        under_way.difference_update(keys)
        if away.intersection(keys):
            raise Transient("away")
        return {key: -key for key in keys if key in there}

    questions = Questions(ask)
    finding = []
    for keys, pause, called_off in asked:
        finding.append((keys, called_off, asyncio.create_task(questions.find(keys))))
        for _ in range(pause):
            await asyncio.sleep(0)
        if called_off:
            finding[-1][2].cancel()
    for keys, called_off, task in finding:
        try:
            found = await task
        except asyncio.CancelledError:
            assert called_off
        except Transient:
            assert away
        else:
            assert not away.intersection(keys)
            assert {key: found[key] for key in keys & found.keys()} == {key: -key for key in keys & there}
    if nobody_waits_for := set(questions._under_way.values()):
        await asyncio.wait(nobody_waits_for)
    assert not questions._under_way
