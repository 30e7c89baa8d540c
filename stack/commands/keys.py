"""`tallywire keys`: write keys, with which others send events."""

from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from stack import session
from stack.commands.options import Data, Json

app = typer.Typer(help="Write keys, with which events are sent.", no_args_is_help=True)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Who will use it, such as `website`.")],
    data: Data = None,
    history: Annotated[bool, typer.Option(help="Also lets in events of any age, for imports.")] = False,
    json: Json = False,
) -> None:
    """Make a key. It is shown this once; only its hash is kept."""
    rights = ["events", "history"] if history else ["events"]
    with session.client(data, session.access_token(data)) as client:
        made = session.ask(client, "POST", "/write-keys", json={"name": name, "rights": rights})
    typer.echo(msgspec.json.encode(made).decode() if json else made["key"])


@app.command("list")
def list_(data: Data = None, json: Json = False) -> None:
    """The keys of the local admin's organization."""
    with session.client(data, session.access_token(data)) as client:
        listed = session.ask(client, "GET", "/write-keys")
    if json:
        typer.echo(msgspec.json.encode(listed).decode())
        return
    keys = listed if isinstance(listed, list) else listed["items"]
    table = Table("id", "name", "rights", "created", "revoked", box=None, pad_edge=False)
    for key in keys:
        rights = ", ".join(key["rights"])
        table.add_row(key["id"], key["name"], rights, key["created_at"], key.get("revoked_at") or "")
    Console(highlight=False).print(table)


@app.command()
def revoke(key_id: Annotated[str, typer.Argument(metavar="ID")], data: Data = None) -> None:
    """End a key: what it sends from now on is refused."""
    with session.client(data, session.access_token(data)) as client:
        session.ask(client, "DELETE", f"/write-keys/{key_id}")
    typer.echo("Revoked.")
