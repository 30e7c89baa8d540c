"""Redis made whole again, from the aggregates, which have it all.

What it lost of its own generation is what was counted since the position at which it stands. Where it was emptied, or
holds figures from before a recount, everything is built beside what readers see and then takes its place at once.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np
import structlog

from streams.cells import Figures
from streams.envelopes import Platforms
from streams.index import Words
from streams.sinks.cells_json import encoded
from streams.sinks.counters import Counters, Update, by_partition, new_token, watched_from
from streams.sinks.ledger import Ledger
from wire.counters import may_stand, position_in

_PIECES_A_QUESTION: Final = 2_000
_PIECES_A_SCRIPT: Final = 20_000
"""More are built anew: between two scripts Redis could lose what the first one wrote."""
_PIECES_A_PAGE: Final = 20_000

_log = structlog.stdlib.get_logger("streams.repair")


async def repair(
    ledger: Ledger, counters: Counters, platforms: Platforms, to: Mapping[int, int], come: Mapping[int, int]
) -> None:
    """Bring each partition from where its counters stand to a position; `come`: how far it was read, which is no less.

    Another worker that moves them meanwhile is let go first, and what is then still missing is brought.
    """
    while behind := await _behind(counters, to, come):
        foreign = {of: seen for of, seen in behind.items() if position_in(seen)[0] != counters.generation}
        if foreign:
            await rebuild(ledger, counters, platforms, {of: (seen, to[of]) for of, seen in foreign.items()})
        for of in behind.keys() - foreign.keys():
            contents = await ledger.contents_since(of, position_in(behind[of])[1])
            if len(contents) > _PIECES_A_SCRIPT:
                await rebuild(ledger, counters, platforms, {of: (behind[of], to[of])})
            else:
                await _catch_up(ledger, counters, platforms, of, behind[of], to[of], contents)


async def rebuild(
    ledger: Ledger, counters: Counters, platforms: Platforms, moves: Mapping[int, tuple[str, int]]
) -> set[int]:
    """Build partitions' counters anew and switch to them: partition -> where they stand, and where they are whole then.

    Answers the partitions that no longer stood there, or of which Redis lost what was built; nothing was changed there.
    """
    now_s, contents, token = await counters.now_s(), await ledger.contents(), new_token()
    built = dict.fromkeys(moves, 0)
    _log.info("rebuilding", partitions=sorted(moves), pieces=len(contents))
    writing: Iterable[asyncio.Task[None]] = ()
    for at in range(0, len(contents), _PIECES_A_PAGE):
        page = contents[at : at + _PIECES_A_PAGE]
        parts = await asyncio.to_thread(
            _updates, platforms, page, await ledger.figures_between(page, watched_from(now_s))
        )
        await asyncio.gather(*writing)
        mine = [(of, part) for of, part in parts.items() if of in moves]
        writing = [asyncio.create_task(counters.build(of, token, at, part)) for of, part in mine]
        built |= {of: built[of] + 1 for of, _ in mine}
    await asyncio.gather(*writing)
    switched = await asyncio.gather(
        *(counters.switch(of, token, seen, to, may_stand(now_s), parts=built[of]) for of, (seen, to) in moves.items())
    )
    return {of for of, done in zip(moves, switched, strict=True) if not done}


async def _behind(counters: Counters, to: Mapping[int, int], come: Mapping[int, int]) -> dict[int, str]:
    """Partitions that do not stand where they should -> where they stand.

    Counters of an earlier generation that are further on stay until we have come as far, so that no figure goes back.
    """
    seen = dict(zip(to, await asyncio.gather(*(counters.held(of) for of in to)), strict=True))
    return {of: text for of, text in seen.items() if text < counters.at(to[of]) and position_in(text)[1] <= come[of]}


async def _catch_up(
    ledger: Ledger, counters: Counters, platforms: Platforms, of: int, seen: str, to: int, contents: Words
) -> None:
    _log.info("repairing", partition=of, pieces=len(contents))
    update, since = Update(), watched_from(await counters.now_s())
    for at in range(0, len(contents), _PIECES_A_QUESTION):
        part = contents[at : at + _PIECES_A_QUESTION]
        found = _updates(platforms, part, await ledger.figures_of(part, since)).get(of, Update())
        update.totals |= found.totals
        for minute, pieces in found.minutes.items():
            update.minutes[minute] |= pieces
    await counters.repair(of, seen, to, update)


def _updates(platforms: Platforms, contents: Words, found: list[tuple[int, Figures]]) -> dict[int, Update]:
    """What the aggregates say of (n, 4) contents, by partition."""
    updates: dict[int, Update] = {}
    rows = np.arange(len(contents))
    for minute, figures in found:
        for of, pieces in by_partition(contents, rows, encoded(figures, platforms)).items():
            update = updates.setdefault(of, Update())
            if minute:
                update.minutes[minute] = pieces
            else:
                update.totals = pieces
    return updates
