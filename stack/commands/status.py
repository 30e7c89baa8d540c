"""`tallywire status`."""

from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from stack import state, summary
from stack.commands.options import Data, Json
from stack.folder import folder_at


def status(
    data: Data = None,
    json: Json = False,
    secrets: Annotated[
        bool, typer.Option(help="With --json: also the TALLYWIRE_* variables, credentials and all.")
    ] = False,
) -> None:
    """What runs, where, and how it fares. Exit status 0 when everything is ready, otherwise 1."""
    folder = folder_at(data)
    running = state.is_running(folder)
    report: dict[str, Any] = summary.report(folder, state.read(folder), running=running, secrets=secrets)
    if json:
        typer.echo(msgspec.json.format(msgspec.json.encode(report), indent=2))
    else:
        _print(Console(highlight=False), report)
    if not running or report["phase"] != "ready":
        raise typer.Exit(1)


def _print(console: Console, report: dict[str, Any]) -> None:
    console.print(f"[bold]{report['phase']}[/bold]  ({report['data']})")
    if report.get("message"):
        console.print(report["message"], markup=False)
    if children := report.get("children"):
        table = Table("", "", "address", "ready after", "restarts", "memory", box=None, pad_edge=False)
        for name, child in children.items():
            after = f"{child['ready_after_s']} s" if child["ready_after_s"] is not None else ""
            memory = f"{child['memory_mb']} MB" if child["memory_mb"] else ""
            table.add_row(name, child["condition"], child["address"], after, str(child["restarts"]), memory)
        console.print(table)
        if "verify" in children:
            console.print(f"Last comparison of everything: {report['verified']}", markup=False)
    for note in report.get("notes", ()):
        console.print(f"[yellow]•[/yellow] {note}")
