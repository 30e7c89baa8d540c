"""`tallywire recount`."""

import asyncio
import logging
import sys
from collections import Counter
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
import structlog
import typer
from rich.console import Console

from stack import environment
from stack.commands.options import Data, Json, Since, time_of
from stack.commands.verify import answering, difference, sentence
from stack.errors import Refused
from stack.recount.run import Report
from stack.recount.run import recount as count_again
from stack.recount.selection import Selection
from wire.errors import Transient


def recount(
    data: Data = None,
    content: Annotated[
        list[UUID] | None, typer.Option(help="Only this piece; may be given several times.", show_default="all")
    ] = None,
    since: Since = "",
    dry_run: Annotated[bool, typer.Option(help="Say what would change, and change nothing.")] = False,
    wait: Annotated[float, typer.Option(min=0, help="Seconds given to figures that are on their way.")] = 10.0,
    json: Json = False,
) -> None:
    """Count everything again from the ledger: aggregates, Redis and PostgreSQL, while events keep coming.

    Needed only where a figure is wrong for good, as `tallywire verify` would say: too large, after rows of the ledger
    were deleted or a store was changed by hand. Readers see the old figure until the new one is there. The workers
    (`streams`) carry it to Redis and PostgreSQL, so they must run. Killed in the middle it has changed nothing yet, or
    they finish it. Exit status 0 when all agree in the end, 1 when any differ.
    """
    settings = environment.load(data)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    selection = Selection(tuple(content or ()), time_of(since, datetime.now(UTC)))
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        with answering(), console.status("recount") as status:
            report = asyncio.run(
                count_again(
                    settings, selection, dry_run=dry_run, wait_s=wait, step=lambda what: status.update(f"{what} ...")
                )
            )
    except Transient as error:
        raise Refused(f"A store does not answer, try again: {error}") from error
    if json:
        typer.echo(msgspec.json.format(msgspec.json.encode(as_json(report)), indent=2))
    else:
        _print(Console(highlight=False, soft_wrap=True), report, dry_run=dry_run)
    if report.left or (dry_run and report.found):
        raise typer.Exit(1)


def as_json(report: Report) -> dict[str, Any]:
    """The report for programs: each change from what was found to what the ledger says."""
    return {
        "generation": report.generation,
        "changes": [
            {"before": each.found, "after": each.expected, **_where(difference(each))} for each in report.found
        ],
        "left": [difference(each) for each in report.left],
        "compared": report.compared,
        "pieces": report.pieces,
    }


def _where(of: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in of.items() if name not in ("expected", "found")}


def _print(console: Console, report: Report, *, dry_run: bool) -> None:
    for each in report.found:
        console.print(f"[yellow]~[/yellow] {sentence(each)}")
    by_pair = ", ".join(f"{count:,} in {pair}" for pair, count in Counter(each.pair for each in report.found).items())
    changed = f"{len(report.found):,} figures {'would change' if dry_run else 'changed'}"
    console.print(f"{changed}: {by_pair}." if by_pair else f"{changed}.")
    if dry_run:
        return
    console.print(f"{report.pieces:,} pieces counted again; the figures are of generation {report.generation} now.")
    for each in report.left:
        console.print(f"[red]✗[/red] {sentence(each)}")
    if not report.compared:
        console.print("[yellow]![/yellow] No store has a figure of what was selected: look at the ids and the time.")
    elif not report.left:
        console.print(f"[green]✓[/green] All {report.compared:,} figures agree.")
