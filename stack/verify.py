"""Whether every store says what the ledger says, figure by figure.

Stores are read in bounded batches of pieces: first what projects the ledger, then the ledger. A figure in flight is
looked at again until it agrees: all figures only grow, so one that moves is right when it lies between what the ledger
said when the two first differed and what the ledger says now.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from stack import figures
from stack.accounts import accounts
from stack.figures import Counter, Figure, Figures, Piece, Place, Stores
from wire.counters import may_stand

AGGREGATE: Final = "ledger = aggregate"
AGGREGATE_MINUTES: Final = "ledger = aggregate, by minute"
REDIS: Final = "ledger = Redis"
REDIS_MINUTES: Final = "ledger = Redis, by minute"
POSTGRES: Final = "ledger = PostgreSQL"
SNAPSHOTS_REDIS: Final = "snapshots: ClickHouse = Redis"
SNAPSHOTS_POSTGRES: Final = "snapshots: ClickHouse = PostgreSQL"
ACCOUNTS: Final = "ledger = accounts"
BALANCE: Final = "accepted = counted"
LOG: Final = "log = ledger"
PAIRS: Final = (
    LOG,
    *(AGGREGATE, AGGREGATE_MINUTES, REDIS, REDIS_MINUTES, POSTGRES),
    *(SNAPSHOTS_REDIS, SNAPSHOTS_POSTGRES, ACCOUNTS, BALANCE),
)

WATCHED: Final = timedelta(minutes=59)
"""How far back Redis must hold every minute of a partition of which it says that it is whole."""
PAUSE_S: Final = 0.5
PIECES_WITH_MINUTES: Final = 50


@dataclass(frozen=True)
class Difference:
    """One place where two stores disagree; `expected` is what ClickHouse says, `found` what the other does."""

    pair: str
    place: Place
    expected: Figure
    found: Figure
    note: str = ""


@dataclass
class Outcome:
    """What comparing came to: figures compared and pieces (or minutes) not held, by pair; and what differs."""

    compared: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PAIRS, 0))
    not_held: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PAIRS, 0))
    differences: list[Difference] = field(default_factory=list)
    waiting: int = 0
    """messages that Kafka has and that are not in every store yet"""

    @property
    def figures(self) -> int:
        """How many figures were compared."""
        return sum(self.compared.values()) - self.compared[LOG]

    def compare(self, pair: str, expected: Figures, found: Figures, note: str = "") -> None:
        """Compare two stores at every place that either of them tells of."""
        places = expected.keys() | found.keys()
        self.compared[pair] += len(places)
        for place in sorted(places, key=repr):
            if (should := expected.get(place, ())) != (does := found.get(place, ())):
                self.differences.append(Difference(pair, place, should, does, note))

    def compare_held(
        self, pair: str, expected: Figures, found: Figures, held: set[Counter], required: set[Counter]
    ) -> None:
        """The same where a counter that is not held is no difference, unless it is required."""
        known = {place.counter for place in expected}
        self.not_held[pair] += len(known - held - required)
        self.compare(pair, {at: figure for at, figure in expected.items() if at.counter in held}, found)
        missing = {at: figure for at, figure in expected.items() if at.counter in required - held}
        self.compare(pair, missing, {}, "Redis does not hold it, though it says that it is whole")

    def add(self, other: "Outcome") -> None:
        """Count another batch's outcome in."""
        for pair in PAIRS:
            self.compared[pair] += other.compared[pair]
            self.not_held[pair] += other.not_held[pair]
        self.differences += other.differences
        self.waiting += other.waiting


Check = Callable[[], Awaitable[Outcome]]


async def verify(
    stores: Stores,
    *,
    wait_s: float = 10.0,
    every: bool = False,
    pieces: AsyncIterator[list[Piece]] | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    progress: Callable[[Outcome], None] = lambda _: None,
) -> Outcome:
    """Compare everything, or only these pieces; up to the first batch with a difference, unless `every`.

    What differs is looked at again for `wait_s` seconds in all. Raises the doors' errors where a store does not answer.
    """
    patience = Patience(wait_s)
    whole = Outcome()
    async for check in checks_of(stores, pieces, now) if pieces else checks(stores, now):
        outcome = await check()
        outcome.differences = await _settled(check, outcome.differences, patience)
        whole.add(outcome)
        progress(whole)
        if whole.differences and not every:
            break
    return whole


class Patience:
    """Seconds that may be spent on waiting, in all."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._left = seconds
        self._clock = clock

    async def pause(self) -> bool:
        """Wait a little; False where all is spent."""
        began = self._clock()
        if self._left <= 0:
            return False
        await asyncio.sleep(min(PAUSE_S, self._left))
        self._left -= self._clock() - began
        return True


async def _settled(check: Check, differences: list[Difference], patience: Patience) -> list[Difference]:
    first = {(each.pair, each.place): each.expected for each in differences}
    while differences and await patience.pause():
        again = (await check()).differences
        differences = [
            each for each in again if not in_flight(first.setdefault((each.pair, each.place), each.expected), each)
        ]
    return differences


def in_flight(first: Figure, now: Difference) -> bool:
    """Whether the ledger moved since, and a figure lies between what it said at first and what it says now."""
    return first <= now.found <= now.expected and first != now.expected


async def checks(stores: Stores, now: Callable[[], datetime]) -> AsyncIterator[Check]:
    """A check for every batch of pieces that any store tells of."""
    async for pieces in figures.clickhouse_pieces(stores):
        yield partial(check_pieces, stores, pieces, now)
    async for pieces in figures.postgres_pieces(stores):
        if unknown := await figures.unknown_to_clickhouse(stores, pieces):
            yield partial(check_pieces, stores, unknown, now)
    async for counters in figures.redis_keys(stores):
        if unknown := await figures.unknown_to_clickhouse(stores, (counter.piece for counter in counters)):
            yield partial(check_pieces, stores, unknown, now)
        if minutes := [counter for counter in counters if counter.minute is not None]:
            yield partial(check_minutes, stores, minutes, now)
    yield partial(check_accounts, stores)


async def check_accounts(stores: Stores) -> Outcome:
    """That what was accepted was counted, and that what was stored is in the ledger; `not_held` is what was lost."""
    outcome = Outcome()
    told = await accounts(stores)
    outcome.compare(ACCOUNTS, told.ledger, told.stored)
    outcome.compare(BALANCE, told.accepted, told.counted, "the rest is on its way, or nothing counts")
    outcome.not_held[BALANCE] = told.lost
    return outcome


async def checks_of(
    stores: Stores, pieces: AsyncIterator[list[Piece]], now: Callable[[], datetime]
) -> AsyncIterator[Check]:
    """The checks of some pieces: what stores tell of them, and of each minute of theirs that Redis may hold."""
    async for some in pieces:
        yield partial(check_pieces, stores, some, now)
        minutes = may_stand(now().timestamp())
        for at in range(0, len(some), PIECES_WITH_MINUTES):
            part = some[at : at + PIECES_WITH_MINUTES]
            yield partial(check_minutes, stores, [Counter(piece, minute) for piece in part for minute in minutes], now)


async def check_pieces(stores: Stores, pieces: Sequence[Piece], now: Callable[[], datetime]) -> Outcome:
    """Everything that any store tells of these pieces."""
    outcome = Outcome()
    all_ = [Counter(piece) for piece in pieces]
    whole = await figures.redis_whole(stores)
    aggregate, _ = await figures.totals(stores, "minute_totals", pieces)
    redis, held = await figures.redis_counters(stores, all_)
    postgres, postgres_captured, there = await figures.postgres(stores, pieces)
    ledger, _ = await figures.totals(stores, "ledger_totals", pieces)
    with_versions = figures.with_versions(ledger)

    outcome.compare(AGGREGATE, ledger, aggregate)
    outcome.compare_held(REDIS, ledger, redis, held, {at.counter for at in ledger if at.counter.partition in whole})
    outcome.compare(POSTGRES, {at: figure for at, figure in with_versions.items() if at.counter in there}, postgres)
    nowhere: Figures = {Place(counter, "", ""): (1,) for counter in all_ if counter not in there}
    outcome.compare(POSTGRES, nowhere, {}, "PostgreSQL has no such content in this organization")
    await _check_snapshots(stores, pieces, postgres_captured, there, outcome)
    await _check_aggregate_minutes(stores, pieces, outcome)
    await _check_watched_minutes(stores, pieces, now(), whole, outcome)
    return outcome


async def check_minutes(stores: Stores, counters: Sequence[Counter], now: Callable[[], datetime]) -> Outcome:
    """Counters of minutes that Redis holds: what each says, and that the ledger knows the minute.

    A minute that people do not watch any more is forgotten later, and a late event is not added to it any more.
    """
    outcome = Outcome()
    redis, held = await figures.redis_counters(stores, counters)
    minutes = [counter.minute for counter in counters if counter.minute is not None]
    pieces = sorted({counter.piece for counter in counters})
    ledger, _ = await figures.ledger_minutes(stores, pieces, min(minutes))
    asked = {place: figure for place, figure in ledger.items() if place.counter in held}
    kept_up = oldest_watched(now())
    for place, figure in asked.items():
        if (place.counter.minute or 0) < kept_up and redis.get(place, ()) <= figure:
            redis[place] = figure
    outcome.compare(REDIS_MINUTES, asked, redis)
    return outcome


def oldest_watched(now: datetime) -> int:
    """The oldest minute (unix time // 60) that Redis must keep up."""
    return int((now - WATCHED).timestamp()) // 60


async def _check_snapshots(
    stores: Stores, pieces: Sequence[Piece], postgres: Figures, there: set[Counter], outcome: Outcome
) -> None:
    redis, held = await figures.redis_snapshots(stores, pieces)
    ours = await figures.snapshots(stores, pieces)
    outcome.compare_held(SNAPSHOTS_REDIS, ours, redis, held, set())
    outcome.compare(SNAPSHOTS_POSTGRES, {at: figure for at, figure in ours.items() if at.counter in there}, postgres)


async def _check_aggregate_minutes(stores: Stores, pieces: Sequence[Piece], outcome: Outcome) -> None:
    compared, ledger, aggregate = await figures.aggregate_minutes(stores, pieces)
    outcome.compare(AGGREGATE_MINUTES, ledger, aggregate)
    outcome.compared[AGGREGATE_MINUTES] += compared - len(ledger)


async def _check_watched_minutes(
    stores: Stores, pieces: Sequence[Piece], now: datetime, whole: frozenset[int], outcome: Outcome
) -> None:
    """That Redis holds the minutes that people watch; what those that it holds say, `check_minutes` compares."""
    oldest = oldest_watched(now)
    _, last = await figures.ledger_minutes(stores, pieces, oldest)
    _, held = await figures.redis_counters(stores, list(last))
    expected: Figures = {Place(counter, "", ""): (1,) for counter in last.keys() - held}
    required = {counter for counter in last if counter.partition in whole}
    outcome.compare_held(REDIS_MINUTES, expected, {}, held, required)
