"""`tallywire keys`: write keys, with which others send events."""

from typing import Annotated
from uuid import UUID

import msgspec
import typer

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
    rows = [("id", "name", "rights", "created", "revoked")]
    for key in keys:
        rights = ", ".join(key["rights"])
        rows.append((key["id"], key["name"], rights, _day(key["created_at"]), _day(key["revoked_at"])))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        typer.echo("  ".join(map(str.ljust, row, widths)).rstrip())


@app.command()
def revoke(
    key_id: Annotated[UUID, typer.Argument(metavar="ID", help="The key's id, as `list` shows it.")], data: Data = None
) -> None:
    """End a key: what it sends from now on is refused."""
    with session.client(data, session.access_token(data)) as client:
        session.ask(client, "DELETE", f"/write-keys/{key_id}")
    typer.echo("Revoked.")


def _day(time: str | None) -> str:
    return time[:10] if time else ""
