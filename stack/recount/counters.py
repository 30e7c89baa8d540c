"""Redis: every partition's counters built anew from the aggregates, beside the old ones, and switched."""

import asyncio

from stack.recount.aggregates import Aggregates
from streams.envelopes import Platforms
from streams.repair import rebuild
from streams.sinks.counters import Counters
from streams.sinks.ledger import Ledger
from wire.counters import position_in
from wire.topics import EVENTS


async def recount(aggregates: Aggregates, ledger: Ledger, platforms: Platforms, counters: Counters) -> None:
    """Returns when all counters are of this generation. Partitions that a worker of it switched first are its own.

    Counters are whole up to where the old ones stood, so that none goes back: what the old ones had was in the ledger
    before, and the aggregates are caught up with it after that was read.
    """
    left = set(range(EVENTS.partitions))
    while left:
        seen = {of: await counters.held(of) for of in left}
        seen = {of: text for of, text in seen.items() if position_in(text)[0] != counters.generation}
        stored, reached = await asyncio.to_thread(aggregates.stored), await asyncio.to_thread(aggregates.reached)
        await asyncio.to_thread(aggregates.catch_up)
        whole = {of: max(stored[of], min(position_in(text)[1], reached[of])) for of, text in seen.items()}
        moves = {of: (text, whole[of]) for of, text in seen.items()}
        left = await rebuild(ledger, counters, platforms, moves) if moves else set()
