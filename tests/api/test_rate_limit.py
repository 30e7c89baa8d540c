"""A hundred creations an hour for each user."""

import asyncio
import re
from collections import Counter

import httpx2
import pytest
import redis.asyncio
from pydantic import SecretStr

import wire.redis
from api.app import create_app
from api.errors import TooMany
from api.rate_limit import RateLimit
from wire.ids import new_id

PIECE = {"type": "custom", "title": "one of many"}


async def test_the_hundred_and_first_creation_within_an_hour_is_429(client, team, superuser) -> None:
    answers = [await client.post("/api/v1/content", json=PIECE, headers=team.editor.headers) for _ in range(101)]
    assert [answer.status_code for answer in answers] == [201] * 100 + [429]
    assert [int(answer.headers["x-ratelimit-remaining"]) for answer in answers] == [*range(99, -1, -1), 0]
    refused = answers[-1]
    assert refused.headers["content-type"] == "application/problem+json"
    assert 3500 <= int(refused.headers["retry-after"]) <= 3600
    assert refused.headers["ratelimit-policy"] == '"creations";q=100;w=3600'
    assert re.fullmatch(r'"creations";r=0;t=3[56]\d\d', refused.headers["ratelimit"])
    assert refused.headers["x-ratelimit-limit"] == "100"
    assert await superuser.fetchval("SELECT count(*) FROM content WHERE organization_id = $1", team.id) == 100
    other = await client.post("/api/v1/content", json=PIECE, headers=team.org_admin.headers)
    assert (other.status_code, other.headers["x-ratelimit-remaining"]) == (201, "99")


async def test_what_is_refused_for_another_reason_does_not_count(client, team) -> None:
    await client.post("/api/v1/content", json={"title": "no type"}, headers=team.editor.headers)
    await client.post("/api/v1/content", content=b"{", headers=team.editor.headers)
    answer = await client.post("/api/v1/content", json=PIECE, headers=team.editor.headers)
    assert answer.headers["x-ratelimit-remaining"] == "99"


async def test_of_many_creations_at_once_exactly_as_many_pass_as_are_allowed(app) -> None:
    limit = RateLimit(app.state.doors.redis, "tests", amount=10, window_s=3600)
    user = new_id()

    async def spend() -> str:
        try:
            await limit.spend(user)
        except TooMany:
            return "refused"
        return "passed"

    assert Counter(await asyncio.gather(*(spend() for _ in range(30)))) == {"passed": 10, "refused": 20}


async def test_the_window_moves_on(app) -> None:
    limit = RateLimit(app.state.doors.redis, "tests", amount=2, window_s=1)
    user = new_id()
    for _ in range(2):
        await limit.spend(user)
    with pytest.raises(TooMany):
        await limit.spend(user)
    await asyncio.sleep(1.1)
    assert (await limit.spend(user))["X-RateLimit-Remaining"] == "1"


async def test_where_redis_does_not_answer_everybody_passes_and_the_log_says_so(settings, team, caplog) -> None:
    app = create_app(settings.model_copy(update={"redis_url": SecretStr("redis://127.0.0.1:1/0")}))
    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://api") as client:
            answer = await client.post("/api/v1/content", json=PIECE, headers=team.editor.headers)
    assert answer.status_code == 201
    assert "ratelimit" not in answer.headers
    assert "rate limit not counted" in caplog.text


async def test_a_redis_that_hangs_holds_nobody_up(settings, app) -> None:
    """A server that accepts and never answers."""
    hanging = await asyncio.start_server(lambda _reader, _writer: asyncio.sleep(30), "127.0.0.1", 0)
    port = hanging.sockets[0].getsockname()[1]
    client: redis.asyncio.Redis = wire.redis.client(SecretStr(f"redis://127.0.0.1:{port}/0"), timeout_s=5)
    async with asyncio.timeout(2):
        assert await RateLimit(client, "tests", amount=1, window_s=1).spend(new_id()) == {}
    await client.aclose()
    hanging.close()
