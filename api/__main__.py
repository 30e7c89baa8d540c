"""`python -m api serve | work | migrate | bootstrap | rotate-keys | openapi | permissions`."""

import asyncio
import json
import os
import signal
import sys
from typing import Annotated, Literal

import asyncpg
import typer
from sqlalchemy.exc import DBAPIError

from wire import telemetry
from wire.settings import settings

app = typer.Typer(help="The API of Tallywire, its worker and its schema.", no_args_is_help=True, add_completion=False)


@app.command()
def serve() -> None:
    """Serve HTTP until SIGTERM or SIGINT."""
    from api.auth.tokens import read_key_file

    telemetry.start("api")
    try:
        read_key_file(settings().signing_keys_file)
    except ValueError as error:
        raise SystemExit(str(error)) from error
    from api.serve import serve as serve_http

    serve_http(settings())


@app.command()
def work() -> None:
    """Carry out commands until SIGTERM or SIGINT."""
    asyncio.run(_work())


async def _work() -> None:
    from api.worker.run import run

    log = telemetry.start("api")
    running = asyncio.create_task(run(settings()))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel)
    log.info("started", worker=settings().worker_name)
    await asyncio.wait([running])
    if not running.cancelled():
        running.result()
    log.info("stopped")


@app.command()
def migrate() -> None:
    """Bring PostgreSQL to the newest shape, as the owner, and stored bodies to what readers get of them."""
    from api.migrate import migrate as bring_up

    telemetry.start("api")
    try:
        bring_up(settings())
    except (ValueError, OSError, asyncpg.PostgresError, DBAPIError) as error:
        raise SystemExit(f"not migrated: {error}") from error


@app.command()
def bootstrap(
    organization: Annotated[str, typer.Option(help="the first organization's name")],
    email: Annotated[str, typer.Option(help="its administrator's address")],
    slug: Annotated[str | None, typer.Option(help="its name in addresses", show_default="made of the name")] = None,
    super_admin: Annotated[bool, typer.Option("--super-admin", help="who may enter every organization")] = False,
) -> None:
    """Make signing keys, an organization and its administrator, unless they are there already.

    The password is read from TALLYWIRE_ADMIN_PASSWORD, or else from standard input.
    """
    import msgspec

    from api.bootstrap import bootstrap as make

    telemetry.start("api")
    password = os.environ.get("TALLYWIRE_ADMIN_PASSWORD") or sys.stdin.readline().rstrip("\n")
    try:
        made = asyncio.run(
            make(
                settings(),
                organization=organization,
                slug=slug,
                email=email,
                password=password,
                role="super_admin" if super_admin else "org_admin",
            )
        )
    except (ValueError, OSError, asyncpg.PostgresError) as error:
        raise SystemExit(f"not made: {error}") from error
    typer.echo(msgspec.json.encode(made).decode())


@app.command()
def rotate_keys(
    step: Annotated[
        Literal["add", "use", "retire"],
        typer.Argument(help="in this order, each once all processes have restarted after the one before"),
    ],
) -> None:
    """Change the keys that sign access tokens: add one that only verifies, use it to sign, retire the others.

    Prints the key ids, the one that signs first. Processes read the file when they start; docs/signing-in.md says more.
    """
    from api.auth.rotation import rotate

    try:
        typer.echo("\n".join(rotate(settings().signing_keys_file, step)))
    except (ValueError, OSError) as error:
        raise SystemExit(f"not rotated: {error}") from error


@app.command()
def openapi() -> None:
    """Print the OpenAPI document."""
    from api.app import create_app

    typer.echo(json.dumps(create_app(settings()).openapi(), indent=2))


@app.command()
def permissions() -> None:
    """Print docs/permissions.md: which role may do what."""
    from api.auth.permissions_page import page

    typer.echo(page(), nl=False)


if __name__ == "__main__":
    app()
