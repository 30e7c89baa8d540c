"""ClickHouse: the aggregates counted anew in a table of their own, which then takes the old one's place.

Why nothing is missed, though workers go on: every row of the ledger is either before the positions that were stored
when the filling began, and was there then; or it is after them, and its minute is counted again. The last of that
happens while the aggregates take no rows, so what is swapped in is never behind what is swapped out; and once more
after the swap, for a hold that lapsed. A row that comes to the ledger later is of a message whose position is not
stored: whoever counts in the new generation meets it.
"""

from collections.abc import Callable
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from stack.recount.selection import Selection
from stack.recount.sql import statement
from streams.messages import position
from streams.sql import question
from wire.topics import EVENTS

MINUTES: Final = "engagement_minutes"
NEXT: Final = "engagement_minutes_next"
HOLD_SECONDS: Final = 30
"""How long the aggregates are held at most; a recount that dies meanwhile delays counting by that, and no more."""
MARGIN_SECONDS: Final = 10


class Aggregates:
    """The engagement tables. Methods block; statements may take as long as the client lets them."""

    def __init__(self, clickhouse: Client) -> None:
        self._clickhouse = clickhouse
        self._since: list[int] = []

    def recount(self, selection: Selection, step: Callable[[str], None] = lambda _: None) -> int:
        """Count anew and swap; answers the generation of the figures from now on. `step` hears what is next."""
        self.fill(selection, step)
        try:
            self._catch_up_and_hold(step)
            step("swap")
            self._run("swap")
        except BaseException:
            self._run("release")
            raise
        step("swapped")
        self.catch_up()
        self._run("drop")
        return self.generation()

    def clear(self) -> None:
        """Take away what a recount that was killed left."""
        self._run("release")
        self._run("drop")

    def fill(self, selection: Selection, step: Callable[[str], None]) -> None:
        """Make the next table, with everything but what happens meanwhile; there is none yet."""
        self._run("make")
        self._run("shape", generation=self.generation() + 1)
        self._since = self.stored()
        for (month,) in self._rows("months"):
            step(f"month {month}")
            self._run("fill", month=month, **selection.parameters)
            if not selection.is_everything:
                self._run("keep", month=month, **selection.parameters)

    def catch_up(self, table: str = MINUTES) -> None:
        """Count again what has events since the filling (or the hold) began."""
        self._run("catch_up", table=table, positions=self._since)

    def generation(self) -> int:
        """Which generation the aggregates take."""
        return int(self._clickhouse.query(question("generation")).result_rows[0][0])

    def stored(self) -> list[int]:
        """Partition -> the position up to which every store has everything; 0 where nothing is stored."""
        found = self._rows("positions", topic=EVENTS.name)
        at = {partition: position(epoch, offset) for epoch, partition, offset in found}
        return [at.get(partition, 0) for partition in range(EVENTS.partitions)]

    def reached(self) -> list[int]:
        """Partition -> the position after the last one that the ledger knows."""
        at: dict[int, int] = dict(self._rows("reached"))
        return [at.get(partition, 0) for partition in range(EVENTS.partitions)]

    def _catch_up_and_hold(self, step: Callable[[str], None]) -> None:
        until = 0
        while self._now() > until - MARGIN_SECONDS:
            step("catch up")
            since = self.stored()
            self.catch_up(NEXT)
            self._since = since
            until = self._now() + HOLD_SECONDS
            self._run("hold", until=until)
            step("held")
            self.catch_up(NEXT)

    def _now(self) -> int:
        return int(self._rows("now")[0][0])

    def _rows(self, name: str, **parameters: Any) -> list[Any]:
        return list(self._clickhouse.query(statement(name), parameters).result_rows)

    def _run(self, name: str, **parameters: Any) -> None:
        self._clickhouse.command(statement(name), parameters)
