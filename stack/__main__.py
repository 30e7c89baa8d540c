"""The `tallywire` command."""

import sys
from importlib import import_module
from typing import Final

import typer
from rich.console import Console

from stack.errors import Refused

COMMANDS: Final = {
    "up": "up:up",
    "status": "status:status",
    "logs": "logs:logs",
    "down": "down:down",
    "reset": "reset:reset",
    "import": "imports:app",
    "verify": "verify:verify",
    "recount": "recount:recount",
    "rejections": "rejections:rejections",
    "audit": "audit:app",
    "commands": "commands:app",
    "token": "token:token",
    "keys": "keys:app",
    "env": "env:env",
}
"""verb -> file in stack/commands, and the name in it: a function, or a group of its own."""


def application(verb: str | None = None) -> typer.Typer:
    """The command line; with one verb only that verb's file is loaded, so that it answers at once."""
    made = typer.Typer(
        name="tallywire",
        help="Content operations and exact engagement analytics, on this machine.\n\n"
        "Begin with `tallywire up`; `tallywire status` says where everything is.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
    )
    made.callback()(_nothing)
    for name in [verb] if verb in COMMANDS else COMMANDS:
        file, _, attribute = COMMANDS[name].partition(":")
        command = getattr(import_module(f"stack.commands.{file}"), attribute)
        if isinstance(command, typer.Typer):
            made.add_typer(command, name=name)
        else:
            made.command(name)(command)
    return made


def _nothing() -> None:
    """A group stays a group even with a single verb."""


def main() -> None:
    """Run a command; what it refuses is said in one line, and the exit status is 1."""
    try:
        application(next(iter(sys.argv[1:]), None))(prog_name="tallywire")
    except Refused as refused:
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"[red]✗[/red] {refused}")
        sys.exit(1)


if __name__ == "__main__":
    main()
