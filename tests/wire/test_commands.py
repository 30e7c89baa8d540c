"""Updates of many pieces go in commands that a message holds."""

import json
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from wire.commands import PAYLOAD_BYTES, payloads


@settings(max_examples=30)
@given(st.lists(st.integers(0, 2 * PAYLOAD_BYTES), min_size=1, max_size=8))
def test_every_update_is_in_one_payload_in_order_and_a_large_payload_has_only_one(sizes: list[int]) -> None:
    def encoded(updates: Sequence[int]) -> bytes:
        return json.dumps(updates).encode().ljust(sum(updates))

    made = list(payloads(sizes, encoded))
    assert [update for updates, _ in made for update in updates] == sizes
    for updates, payload in made:
        assert json.loads(payload) == updates
        assert len(payload) <= PAYLOAD_BYTES or len(updates) == 1
