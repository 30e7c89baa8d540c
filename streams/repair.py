"""Redis made whole again: what it lost is what was counted since the position at which it stands."""

from typing import Final

import numpy as np
import structlog

from streams.envelopes import Platforms
from streams.index import Words
from streams.sinks.cells_json import encoded
from streams.sinks.counters import NOTHING, Counters, Update, by_partition, watched_from
from streams.sinks.ledger import Ledger
from wire.counters import position_text

_PIECES_AT_ONCE: Final = 2_000

_log = structlog.stdlib.get_logger("streams.repair")


async def repair(ledger: Ledger, counters: Counters, platforms: Platforms, of: int, to: int, now_s: float) -> None:
    """Bring partition `of` from where its counters stand to position `to`, from the aggregates, which have it all.

    Another worker that moves them meanwhile is let go first, and what is then still missing is brought.
    """
    while (seen := await counters.held(of)) < position_text(to):
        contents = await ledger.contents_since(of, int(seen or 0))
        _log.info("repairing", partition=of, emptied=seen == NOTHING, pieces=len(contents))
        parts = [contents[at : at + _PIECES_AT_ONCE] for at in range(0, len(contents), _PIECES_AT_ONCE)]
        for part in parts:
            update = await _update(ledger, platforms, of, part, watched_from(now_s))
            if not await counters.repair(of, seen, None, update):
                break
        else:
            await counters.repair(of, seen, to, Update())


async def _update(ledger: Ledger, platforms: Platforms, of: int, contents: Words, since: int) -> Update:
    update = Update()
    rows = np.arange(len(contents))
    for minute, figures in await ledger.figures_of(contents, since):
        pieces = by_partition(contents, rows, encoded(figures, platforms)).get(of, {})
        if minute:
            update.minutes[minute] = pieces
        else:
            update.totals = pieces
    return update
