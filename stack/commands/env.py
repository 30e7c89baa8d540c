"""`tallywire env`."""

import shlex

import typer

from stack import environment
from stack.commands.options import Data


def env(data: Data = None) -> None:
    """Print the TALLYWIRE_* variables of the running system, secrets included, for `eval "$(tallywire env)"`."""
    for name, value in sorted(environment.variables(data).items()):
        typer.echo(f"export {name}={shlex.quote(value)}")
