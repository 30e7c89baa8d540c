"""ClickHouse: the aggregates counted anew in a table of their own, which then takes the old one's place.

Why nothing is missed, though workers go on: every row of the ledger is either before the positions that were stored
when the filling began, and was there then; or it is after them, and its minute is counted again. The last of that
happens while the aggregates take no rows, so what is swapped in is never behind what is swapped out. Where that hold
lapsed before the swap, it may be: since which positions is left to the workers, who count that again when they begin. A
row that comes to the ledger later is of a message whose position is not stored: whoever counts in the new generation
meets it.

Why two recounts, of which one has lost its lock, do no harm: each makes its table, then drops all others', and only
then asks for the generation. The later one leaves the earlier nothing to swap, or finds that it has swapped.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final
from uuid import uuid4

from clickhouse_connect.driver.client import Client

from stack.figures import Piece
from stack.recount.selection import Selection
from stack.recount.sql import statement
from streams.messages import position
from streams.recounts import RECOUNTS
from streams.sql import question
from wire.topics import EVENTS

HOLD_SECONDS: Final = 30
"""How long the aggregates are held at most; a recount that dies meanwhile delays counting by that, and no more."""
MARGIN_SECONDS: Final = 10


class Aggregates:
    """The engagement tables. Methods block; statements may take as long as the client lets them."""

    def __init__(self, clickhouse: Client) -> None:
        self._clickhouse = clickhouse
        self._next = f"engagement_minutes_next_{uuid4().hex[:12]}"

    def release(self) -> None:
        """Let the aggregates take rows again, where a recount was killed that held them."""
        self._run("release")

    def recount(
        self, selection: Selection, unknown: Sequence[Piece], step: Callable[[str], None] = lambda _: None
    ) -> int:
        """Count anew and swap; answers the generation of the figures from now on. `unknown`: pieces of which only
        PostgreSQL tells. `step` hears what is next."""
        try:
            generation = self._begin()
            since = self._fill(generation, selection, unknown, step)
            self._catch_up_and_hold(generation, since, step)
            step("swap")
            self._run("swap", table=self._next)
            step("swapped")
        except BaseException:
            self.release()
            raise
        finally:
            self._run("drop", table=self._next)
        return generation

    def generation(self) -> int:
        """Which generation the aggregates take."""
        return int(self._clickhouse.query(question("generation")).result_rows[0][0])

    def listed(self, generation: int) -> int:
        """How many pieces were counted again in a generation."""
        return int(self._rows("listed", generation=generation)[0][0])

    def _begin(self) -> int:
        """Make the next table, and take away what others left; answers its generation."""
        self._run("make", table=self._next)
        for (name,) in self._rows("others", table=self._next):
            self._run("drop", table=name)
        now = self.generation()
        told = {partition: generation for _, partition, generation in self._rows("positions", topic=RECOUNTS)}
        done = min(told.get(partition, 0) for partition in range(EVENTS.partitions))
        for table in ("recounts", "recounted_pieces"):
            self._run("forget", table=table, done=done, generation=now)
        return now + 1

    def _fill(
        self, generation: int, selection: Selection, unknown: Sequence[Piece], step: Callable[[str], None]
    ) -> list[int]:
        """Everything but what happens meanwhile, which is after the positions that it answers."""
        self._run("shape", table=self._next, generation=generation)
        self._run("list", generation=generation, **selection.parameters)
        rows = [(generation, *piece) for piece in unknown]
        self._clickhouse.insert("recounted_pieces", rows, ["generation", "organization_id", "content_id"])
        since = self._stored()
        for (month,) in self._rows("months"):
            step(f"month {month}")
            self._run("fill", table=self._next, month=month, **selection.parameters)
            if not selection.is_everything:
                self._run("keep", table=self._next, month=month, **selection.parameters)
        return since

    def _catch_up_and_hold(self, generation: int, since: list[int], step: Callable[[str], None]) -> None:
        until = 0
        while self._now() > until - MARGIN_SECONDS:
            step("catch up")
            stored = self._stored()
            self._catch_up(since)
            since = stored
            until = self._now() + HOLD_SECONDS
            self._run("hold", until=until)
            step("held")
            self._catch_up(since)
            self._run("leave", generation=generation, since=since)

    def _catch_up(self, since: list[int]) -> None:
        """Count again what has events since then."""
        self._clickhouse.command(question("catch_up"), {"table": self._next, "positions": since})

    def _stored(self) -> list[int]:
        """Partition -> the position up to which every store has everything; 0 where nothing is stored."""
        found = self._rows("positions", topic=EVENTS.name)
        at = {partition: position(epoch, offset) for epoch, partition, offset in found}
        return [at.get(partition, 0) for partition in range(EVENTS.partitions)]

    def _now(self) -> int:
        return int(self._rows("now")[0][0])

    def _rows(self, name: str, **parameters: Any) -> list[Any]:
        return list(self._clickhouse.query(statement(name), parameters).result_rows)

    def _run(self, name: str, **parameters: Any) -> None:
        self._clickhouse.command(statement(name), parameters)
