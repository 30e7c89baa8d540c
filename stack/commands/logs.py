"""`tallywire logs`."""

import contextlib
from typing import Annotated

import typer

from stack import logs as files
from stack.commands.options import Data
from stack.errors import Refused
from stack.folder import folder_at


def logs(
    name: Annotated[
        str | None, typer.Argument(help="One child, such as `api` or `postgres`; all where left out.")
    ] = None,
    data: Data = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with what is written from now on.")] = False,
    lines: Annotated[int, typer.Option("-n", "--lines", min=0, help="How many of the last lines, each.")] = 20,
) -> None:
    """The last lines of the logs."""
    folder = folder_at(data)
    known = {file.stem: file for file in sorted(folder.logs.glob("*.log"))}
    if name and name not in known:
        raise Refused(f"There is no log of {name}; there is {', '.join(known) or 'none at all'}")
    wanted = {name: known[name]} if name else known
    for each, file in wanted.items():
        for line in files.tail(file, lines):
            typer.echo(_labelled(each, line, alone=name is not None))
    if follow:
        with contextlib.suppress(KeyboardInterrupt):
            for each, line in files.follow(wanted):
                typer.echo(_labelled(each, line, alone=name is not None))


def _labelled(name: str, line: str, *, alone: bool) -> str:
    return line if alone else f"{name:<11} {line}"
