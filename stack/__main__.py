"""The `tallywire` command."""

import sys

import typer
from rich.console import Console

from stack.commands import down, env, imports, keys, logs, reset, status, token, up, verify
from stack.errors import Refused

app = typer.Typer(
    name="tallywire",
    help="Content operations and exact engagement analytics, on this machine.\n\n"
    "Begin with `tallywire up`; `tallywire status` says where everything is.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
app.command()(up.up)
app.command()(status.status)
app.command()(logs.logs)
app.command()(down.down)
app.command()(reset.reset)
app.command()(token.token)
app.add_typer(keys.app, name="keys")
app.add_typer(imports.app, name="import")
app.command()(verify.verify)
app.command()(env.env)


def main() -> None:
    """Run a command; what it refuses is said in one line, and the exit status is 1."""
    try:
        app()
    except Refused as refused:
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"[red]✗[/red] {refused}")
        sys.exit(1)


if __name__ == "__main__":
    main()
