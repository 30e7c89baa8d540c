"""`tallywire token`."""

import typer

from stack import session
from stack.commands.options import Data


def token(data: Data = None) -> None:
    """Print an access token of the local admin, for curl.

    curl -H "Authorization: Bearer $(tallywire token)" http://127.0.0.1:8400/api/v1/content
    """
    typer.echo(session.access_token(data))
