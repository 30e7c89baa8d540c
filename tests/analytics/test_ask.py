from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from clickhouse_connect.driver.asyncclient import AsyncClient
from clickhouse_connect.driver.client import Client

from analytics.ask import QUERIES, ask, question

MINUTE = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
MINUTES = ["organization_id", "content_id", "minute", "platform", "kind", "count", "robots", "value"]


async def test_totals_add_up_the_minutes_of_one_piece_of_one_organization(client: Client, asking: AsyncClient) -> None:
    organization, content = uuid4(), uuid4()
    rows = [
        (organization, content, MINUTE, "web", "view", 5, 1, 0),
        (organization, content, MINUTE + timedelta(days=40), "web", "view", 2, 1, 0),
        (organization, content, MINUTE, "web", "read", 1, 0, 4500),
        (organization, content, MINUTE, "rss", "view", 1, 0, 0),
        (uuid4(), content, MINUTE, "web", "view", 100, 0, 0),
        (organization, uuid4(), MINUTE, "web", "view", 100, 0, 0),
    ]
    client.insert("engagement_minutes", rows, MINUTES)
    assert await ask(asking, "totals_of_content", organization_id=organization, content_id=content) == [
        {"platform": "rss", "kind": "view", "count": 1, "robots": 0, "value": 0},
        {"platform": "web", "kind": "read", "count": 1, "robots": 0, "value": 4500},
        {"platform": "web", "kind": "view", "count": 7, "robots": 2, "value": 0},
    ]


async def test_minutes_begin_with_since_and_come_in_utc(client: Client, asking: AsyncClient) -> None:
    organization, content = uuid4(), uuid4()
    at = [MINUTE + timedelta(minutes=n) for n in range(3)]
    client.insert("engagement_minutes", [(organization, content, m, "web", "view", 1, 0, 0) for m in at], MINUTES)
    asked = {"organization_id": organization, "content_id": content}
    assert [row["minute"] for row in await ask(asking, "minutes_of_content", **asked, since=at[1])] == at[1:]


async def test_the_latest_snapshot_of_each_platform_and_kind_is_given(client: Client, asking: AsyncClient) -> None:
    organization, content = uuid4(), uuid4()
    rows = [
        (organization, content, "facebook", "share", MINUTE, 9),
        (organization, content, "facebook", "share", MINUTE + timedelta(milliseconds=1), 4),
        (organization, content, "facebook", "comment", MINUTE, 2),
    ]
    columns = ["organization_id", "content_id", "platform", "kind", "captured_at", "count"]
    client.insert("engagement_snapshots", rows, columns)
    assert await ask(asking, "snapshots_of_content", organization_id=organization, content_id=content) == [
        {"platform": "facebook", "kind": "comment", "count": 2, "captured_at": MINUTE},
        {"platform": "facebook", "kind": "share", "count": 4, "captured_at": MINUTE + timedelta(milliseconds=1)},
    ]


async def test_rejections_come_newest_first_by_page_and_by_reason(client: Client, asking: AsyncClient) -> None:
    organization = uuid4()
    columns = ["id", "organization_id", "source", "place", "reason", "detail", "sample", "rejected_at"]
    rows = [
        (uuid4(), organization, "log", n, "asset" if n % 2 else "status", "", "", MINUTE + timedelta(seconds=n))
        for n in range(5)
    ]
    client.insert("rejections", rows, columns)

    async def places(reason: str, limit: int, before: int, since: datetime = MINUTE) -> list[int]:
        at, at_id = (rows[before][-1], rows[before][0]) if before < 5 else (MINUTE + timedelta(days=1), UUID(int=0))
        asked = {"before_ms": int(at.timestamp() * 1000), "before_id": at_id, "since": since}
        found = await ask(
            asking, "rejections_of_organization", organization_id=organization, reason=reason, limit=limit, **asked
        )
        return [row["place"] for row in found]

    assert await places("", 3, 5) == [4, 3, 2]
    assert await places("", 3, 2) == [1, 0]
    assert await places("asset", 9, 5) == [3, 1]
    assert await places("", 9, 5, MINUTE + timedelta(seconds=3)) == [4, 3]
    assert await places("' OR 1 = 1 --", 9, 5) == []
    reasons = await ask(asking, "reasons_of_organization", organization_id=organization, since=MINUTE)
    assert [(row["reason"], row["count"]) for row in reasons] == [("status", 3), ("asset", 2)]


async def test_a_question_that_does_not_exist_is_named_with_those_that_do(asking: AsyncClient) -> None:
    with pytest.raises(LookupError, match="no question is called the_time; there are accounts_"):
        await ask(asking, "the_time")
    with pytest.raises(LookupError):
        await ask(asking, "../schema/0001_schema_migrations")


@pytest.mark.parametrize("given", [{}, {"organization_id": UUID(int=1), "content_id": UUID(int=1), "colour": "red"}])
async def test_parameters_that_are_not_the_questions_own_are_refused(
    asking: AsyncClient, given: dict[str, object]
) -> None:
    with pytest.raises(TypeError, match=r"totals_of_content asks for \['content_id', 'organization_id'\]"):
        await ask(asking, "totals_of_content", **given)


def test_every_question_says_who_asks_it() -> None:
    for path in QUERIES.glob("*.sql"):
        assert question(path.stem).startswith("-- Asked by "), path.name
