"""`tallywire verify`."""

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
import typer
from rich.console import Console
from rich.table import Table

import wire.clickhouse
import wire.postgres
import wire.redis
from stack import environment
from stack.accounts import ALL
from stack.commands.options import Data, Json
from stack.errors import Refused
from stack.figures import Figure, Place, Stores
from stack.verify import PAIRS, Difference, Outcome
from stack.verify import verify as compare_stores
from wire.errors import Transient
from wire.settings import Settings

AWAY: Final = (Transient, *wire.clickhouse.TRANSIENT, *wire.postgres.TRANSIENT, *wire.redis.TRANSIENT)


def verify(
    data: Data = None,
    every: Annotated[bool, typer.Option("--all", help="List every difference, not only the first ones.")] = False,
    wait: Annotated[float, typer.Option(min=0, help="Seconds given to figures that are on their way.")] = 10.0,
    json: Json = False,
) -> None:
    """Compare what the stores say, figure by figure. Exit status 0 when all agree, 1 when any differ."""
    settings = environment.load(data)
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        with console.status("Comparing ...") as status:
            outcome = asyncio.run(_compare(settings, wait, every, status.update))
    except AWAY as error:
        raise Refused(f"A store does not answer, nothing can be said: {error}") from error
    if json:
        typer.echo(msgspec.json.format(msgspec.json.encode(report(outcome)), indent=2))
    else:
        _print(Console(highlight=False, soft_wrap=True), outcome, every)
    if outcome.differences:
        raise typer.Exit(1)


async def _compare(settings: Settings, wait_s: float, every: bool, say: Any) -> Outcome:
    async with AsyncExitStack() as doors:
        clickhouse = await wire.clickhouse.async_client(settings.clickhouse_url)
        doors.push_async_callback(clickhouse.close)
        redis = wire.redis.client(settings.redis_url)
        doors.push_async_callback(redis.aclose)
        postgres = await wire.postgres.pool(settings.postgres_relay_url, max_size=1)
        doors.push_async_callback(postgres.close)
        return await compare_stores(
            Stores(clickhouse, redis, postgres),
            wait_s=wait_s,
            every=every,
            progress=lambda so_far: say(f"Comparing ... {sum(so_far.compared.values()):,} figures"),
        )


def report(outcome: Outcome) -> dict[str, Any]:
    """The outcome for programs."""
    return {
        "equal": not outcome.differences,
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


def _print(console: Console, outcome: Outcome, every: bool) -> None:
    table = Table("", "figures compared", "not held", "differ", box=None, pad_edge=False)
    for pair in PAIRS:
        differ = sum(each.pair == pair for each in outcome.differences)
        not_held = outcome.not_held[pair]
        table.add_row(pair, f"{outcome.compared[pair]:,}", f"{not_held:,}" if not_held else "", str(differ or ""))
    console.print(table)
    for each in outcome.differences if every else outcome.differences[:1]:
        console.print(f"[red]✗[/red] {sentence(each)}")
    if not outcome.differences:
        console.print(f"[green]✓[/green] All {sum(outcome.compared.values()):,} figures agree.")
    elif not every:
        console.print("Stopped at the first difference; --all goes on.")


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
