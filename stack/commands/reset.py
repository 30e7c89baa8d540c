"""`tallywire reset`."""

import typer
from rich.console import Console

from stack.commands.down import stop
from stack.commands.options import Data, Yes
from stack.folder import folder_at


def reset(data: Data = None, yes: Yes = False) -> None:
    """Stop everything and delete its data: content, events, users, keys, passwords. Downloaded programs stay."""
    folder = folder_at(data)
    if not yes:
        typer.confirm(f"Delete everything in {folder.root}?", abort=True)
    console = Console(highlight=False, soft_wrap=True)
    with console.status("stopping and deleting"):
        stop(folder)
        folder.clear()
    console.print(f"{folder.root} is empty again.")
