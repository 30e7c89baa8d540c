"""The hot counters, where Redis loses something at the worst time."""

from uuid import UUID

import redis.asyncio

from streams.sinks.counters import NOTHING, Counters, Update, new_token
from wire.counters import Cell, encode_cells, may_stand, minute_key, piece_field, position_key, totals_key

OF = 3
NOW_S = 1_800_000_000.0
MINUTE = int(NOW_S) // 60
FIRST, SECOND = (piece_field(UUID(int=1), UUID(int=n)) for n in (2, 3))


def update(piece: bytes) -> Update:
    cells = encode_cells([Cell("web", "view", 1, 0, 0)])
    return Update({piece: cells}, {MINUTE: {piece: cells}})


async def test_counters_that_redis_lost_a_part_of_while_they_were_built_do_not_take_their_place(
    redis_client: redis.asyncio.Redis,
) -> None:
    counters, token = Counters(redis_client), new_token()
    await counters.build(OF, token, 0, update(FIRST))
    await redis_client.flushdb()
    await counters.build(OF, token, 1, update(SECOND))

    assert not await counters.switch(OF, token, NOTHING, 7, may_stand(NOW_S), parts=2)
    assert await redis_client.get(position_key(OF)) is None
    assert not await redis_client.exists(totals_key(OF), minute_key(OF, MINUTE))


async def test_counters_that_were_built_whole_take_their_place_at_once(redis_client: redis.asyncio.Redis) -> None:
    counters, token = Counters(redis_client), new_token()
    await redis_client.hset(totals_key(OF), "of-before", "gone")
    for _ in range(2):
        await counters.build(OF, token, 0, update(FIRST))
    await counters.build(OF, token, 1, update(SECOND))

    assert await counters.switch(OF, token, NOTHING, 7, may_stand(NOW_S), parts=2)
    assert await counters.held(OF) == counters.at(7)
    assert set(await redis_client.hgetall(totals_key(OF))) == {FIRST, SECOND}
    assert set(await redis_client.hgetall(minute_key(OF, MINUTE))) == {FIRST, SECOND}
    assert not [key async for key in redis_client.scan_iter(match="twnext:*")]
