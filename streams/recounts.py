"""What follows once a recount has swapped the aggregates. It may be dead then; whoever counts in the new generation of
figures counts again what the aggregates may lack, and tells PostgreSQL of every piece that was counted again.

How far that is done stands beside the log's positions: of each partition, the generation of which all is told.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import numpy as np

from streams import positions
from streams.doors import Doors
from streams.findings import Finding
from streams.index import Words
from streams.sinks.counters import pieces_of
from streams.sinks.ledger import Ledger
from wire.commands import figures_version
from wire.ids import partitions
from wire.topics import EVENTS

RECOUNTS: Final = "recounts"
"""Stands for a topic among the positions."""
_EPOCH: Final = 0
_PIECES_A_PAGE: Final = 5_000

Untold = dict[int, int]
"""partition -> the generation of which all is told"""


async def untold(doors: Doors, generation: int, of: Iterable[int]) -> Untold:
    """Those of some partitions that are not yet carried everywhere in this generation."""
    told = await positions.load(doors.clickhouse, RECOUNTS, _EPOCH)
    return {partition: told.get(partition, 0) for partition in of if told.get(partition, 0) < generation}


async def tell(
    doors: Doors,
    ledger: Ledger,
    generation: int,
    of: Untold,
    report: Callable[[list[Finding]], Awaitable[None]],
) -> None:
    """Report what the ledger says of every piece that was counted again, and store that it is done."""
    mine, page = list(of), np.zeros((1, 4), np.uint64)
    while len(page := await ledger.recounted(min(of.values()), generation, page[-1:], _PIECES_A_PAGE)):
        some = page[np.isin(partitions(page[:, 2], page[:, 3], EVENTS.partitions), mine)]
        if len(some):
            await report(await _findings(ledger, generation, some))
    await positions.store(doors.clickhouse, RECOUNTS, _EPOCH, dict.fromkeys(mine, generation))


async def _findings(ledger: Ledger, generation: int, contents: Words) -> list[Finding]:
    known, events, cells = await ledger.totals(contents)
    told = dict(zip(pieces_of(known), zip(events, cells, strict=True), strict=True))
    figures = [(piece, *told.get(piece, (0, "[]"))) for piece in pieces_of(contents)]
    return [(piece, figures_version(generation, count), text.encode()) for piece, count, text in figures]
