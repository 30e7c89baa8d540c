"""`tallywire verify`."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
import typer
from rich.console import Console
from rich.table import Table

import wire.clickhouse
import wire.kafka
import wire.postgres
import wire.redis
from stack import environment
from stack.accounts import ALL
from stack.commands.options import Data, Json
from stack.errors import Refused
from stack.figures import Figure, Place, Stores
from stack.log.check import check
from stack.log.reading import opened
from stack.log.stretches import Read
from stack.verify import BALANCE, LOG, PAIRS, Difference, Outcome, Patience
from stack.verify import verify as compare_stores
from wire.errors import Transient
from wire.settings import Settings

STILL_WAITING: Final = 3
_TRANSIENT: Final = (Transient, *wire.kafka.TRANSIENT, *wire.postgres.TRANSIENT)


def verify(
    data: Data = None,
    every_difference: Annotated[
        bool, typer.Option("--all", help="List every difference, not only the first ones.")
    ] = False,
    wait: Annotated[float, typer.Option(min=0, help="Seconds given to what is on its way.")] = 10.0,
    log: Annotated[bool, typer.Option(help="Read the log, too; without, only the stores are compared.")] = True,
    every: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="For ever, as a service: 90s, 15m, 2h, or `setting` for TALLYWIRE_VERIFY_EVERY. Takes its addresses"
            " from TALLYWIRE_* and serves the result on /metrics.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Compare the log, as far as it is kept, and every store with the ledger, figure by figure.

    Exit status 0 when all agree, 1 when any differ, 3 when all that was counted agrees and messages still wait in the
    log for the streams to count them.
    """
    if every is not None:
        from stack.commands.verify_every import for_ever

        for_ever(every, wait)
        return
    settings = environment.load(data)
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        with console.status("Comparing ...") as status:
            read = Read() if log else None
            outcome = asyncio.run(look(settings, read, wait, every=every_difference, say=status.update))
    except Transient as error:
        raise Refused(f"A store does not answer, nothing can be said: {error}") from error
    if json:
        typer.echo(msgspec.json.format(msgspec.json.encode(report(outcome)), indent=2))
    else:
        _print(Console(highlight=False, soft_wrap=True), outcome, every_difference, log=log)
    if outcome.differences or outcome.waiting:
        raise typer.Exit(1 if outcome.differences else STILL_WAITING)


@contextmanager
def answering() -> Iterator[None]:
    """Whatever a store or Kafka says that waiting may help with is raised as Transient."""
    try:
        yield
    except Exception as error:
        if not (isinstance(error, _TRANSIENT) or wire.clickhouse.heals(error) or wire.redis.heals(error)):
            raise
        raise Transient(str(error)[:300] or type(error).__name__) from error


async def look(
    settings: Settings, read: Read | None, wait_s: float, *, every: bool, say: Callable[[str], None] = lambda _: None
) -> Outcome:
    """Compare everything once; the log is read on from where `read` ends, and not at all without one.

    Raises Transient where a store or Kafka does not answer, or refuses to.
    """
    async with AsyncExitStack() as doors:
        doors.enter_context(answering())
        clickhouse = await wire.clickhouse.async_client(settings.clickhouse_url, timeout_s=3600)
        doors.push_async_callback(clickhouse.close)
        redis = wire.redis.client(settings.redis_url)
        doors.push_async_callback(redis.aclose)
        postgres = await wire.postgres.pool(settings.postgres_relay_url, max_size=1)
        doors.push_async_callback(postgres.close)
        stores = Stores(clickhouse, redis, postgres)
        whole = Outcome()
        if read is not None:
            say("Reading the log ...")
            log = await doors.enter_async_context(opened(settings.kafka_url))
            whole.add(await check(log, stores, read, Patience(wait_s), every=every))
        if not whole.differences or every:
            whole.add(
                await compare_stores(
                    stores,
                    wait_s=wait_s,
                    every=every,
                    progress=lambda so_far: say(f"Comparing ... {so_far.figures:,} figures"),
                )
            )
        if whole.waiting:  # less is counted than was accepted, which is what waiting means
            whole.differences = [each for each in whole.differences if each.pair != BALANCE]
        return whole


def report(outcome: Outcome) -> dict[str, Any]:
    """The outcome for programs."""
    return {
        "equal": not outcome.differences,
        "waiting": outcome.waiting,
        "compared": outcome.compared,
        "not_held": outcome.not_held,
        "differences": [difference(each) for each in outcome.differences],
    }


def difference(each: Difference) -> dict[str, Any]:
    """A difference for programs."""
    organization, content = each.place.counter.piece
    minute = each.place.counter.minute
    return {
        "pair": each.pair,
        "organization_id": organization,
        "content_id": content if content != ALL else None,
        "minute": None if minute is None else datetime.fromtimestamp(minute * 60, UTC),
        "platform": each.place.platform,
        "kind": each.place.kind,
        "expected": each.expected,
        "found": each.found,
        "note": each.note,
    }


def _print(console: Console, outcome: Outcome, every: bool, *, log: bool) -> None:
    table = Table("", "figures compared", "not held", "differ", box=None, pad_edge=False)
    for pair in PAIRS:
        differ = sum(each.pair == pair for each in outcome.differences)
        not_held = outcome.not_held[pair]
        table.add_row(pair, f"{outcome.compared[pair]:,}", f"{not_held:,}" if not_held else "", str(differ or ""))
    console.print(table)
    for each in outcome.differences if every else outcome.differences[:1]:
        console.print(f"[red]✗[/red] {sentence(each)}")
    if outcome.differences:
        if not every:
            console.print("Stopped at the first difference; --all goes on.")
        return
    events = f", and the ledger with {outcome.compared[LOG]:,} events of the log" if log else "; the log was not read"
    if outcome.waiting:
        console.print(
            f"[yellow]![/yellow] {outcome.waiting:,} messages wait in the log and are not counted yet. Of what is"
            f" counted, all {outcome.figures:,} figures agree{events}."
        )
    else:
        console.print(f"[green]✓[/green] All {outcome.figures:,} figures agree{events}.")


def sentence(each: Difference) -> str:
    """A difference in words."""
    place: Place = each.place
    organization, content = place.counter.piece
    when = ""
    if place.counter.minute is not None:
        when = f", minute {datetime.fromtimestamp(place.counter.minute * 60, UTC):%Y-%m-%d %H:%M}"
    ours, theirs = each.pair.removeprefix("snapshots: ").split(",")[0].split(" = ")
    what = f"{place.platform} {place.kind}".strip() or "the content"
    where = f"organization {organization}"
    if content != ALL:
        where += f", content {content}{when}, {what}"
    note = f" ({each.note})" if each.note else ""
    return f"{where}: {ours} {_said(each.expected)}, {theirs} {_said(each.found)}{note}"


def _said(figure: Figure) -> str:
    match figure:
        case ():
            return "nothing"
        case (count, robots, value):
            return f"count={count} robots={robots} value={value / 1000:g}"
        case (at_ms, count):
            return f"count={count} of {datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M:%S}"
        case _:
            return str(figure[0])
