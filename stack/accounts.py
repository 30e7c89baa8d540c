"""Whether every event that came in is accounted for: what the ledger has was stored, what was accepted was counted."""

from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from analytics.ask import ask
from stack.figures import Counter, Figures, Place, Stores

ALL: Final = UUID(int=0)
"""Stands for all content of an organization."""


@dataclass
class Accounts:
    """What is said of each organization; `lost` events, of all, are gone with a log that was lost."""

    ledger: Figures = field(default_factory=dict)
    stored: Figures = field(default_factory=dict)
    accepted: Figures = field(default_factory=dict)
    counted: Figures = field(default_factory=dict)
    lost: int = 0


async def accounts(stores: Stores) -> Accounts:
    """The accounts of every organization that has any. Reads the whole ledger, and only counts in it."""
    told = Accounts()
    for row in await ask(stores.clickhouse, "accounts_balanced"):
        place = Place(Counter((row["organization_id"], ALL)), "", "")
        told.lost += row["lost"]
        for figures, name in (
            *((told.ledger, "ledger"), (told.stored, "stored")),
            *((told.accepted, "accepted"), (told.counted, "counted")),
        ):
            if row[name]:
                figures[place] = (row[name],)
    return told
