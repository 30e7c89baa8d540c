import asyncio
import random

from hypothesis import given
from hypothesis import strategies as st

from bridges.lanes import send_in_order
from wire.errors import Transient


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 99)), max_size=40), st.sets(st.integers(0, 39)), st.integers()
)
def test_each_key_keeps_its_order_and_stops_at_its_first_failure(
    pairs: list[tuple[int, int]], failing: set[int], seed: int
) -> None:
    items = [(place, key) for place, (key, _) in enumerate(pairs)]
    chance = random.Random(seed)

    async def send(item: tuple[int, int]) -> None:
        for _ in range(chance.randrange(4)):
            await asyncio.sleep(0)
        if item[0] in failing:
            raise Transient(str(item))

    sent, failures = asyncio.run(send_in_order(items, lambda item: item[1], send))
    for key in {key for _, key in items}:
        lane = [item for item in items if item[1] == key]
        stop = next((n for n, item in enumerate(lane) if item[0] in failing), None)
        assert [item for item in sent if item[1] == key] == lane[:stop]
        assert (key in failures) == (stop is not None)


async def test_different_keys_are_on_their_way_at_once() -> None:
    together = asyncio.Barrier(3)

    async def send(_: int) -> None:
        async with asyncio.timeout(5):
            await together.wait()

    sent, failures = await send_in_order([1, 2, 3], lambda item: item, send)
    assert sorted(sent) == [1, 2, 3]
    assert not failures
