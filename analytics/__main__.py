"""`python -m analytics migrate` and `python -m analytics ask NAME key=value ...`."""

import asyncio
import sys
import time
from typing import Annotated, Final

import msgspec
import typer

import wire.clickhouse
from analytics.ask import ask
from analytics.migrate import EditedMigration, migrate
from wire import telemetry
from wire.settings import settings

PATIENCE_S: Final = 60.0
app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.command("migrate")
def migrate_command() -> None:
    """Bring the database of TALLYWIRE_CLICKHOUSE_URL to the shape of schema/; waits up to a minute for the server."""
    log = telemetry.start("analytics")
    give_up_at = time.monotonic() + PATIENCE_S
    while True:
        try:
            applied = migrate(wire.clickhouse.client(settings().clickhouse_url))
        except EditedMigration as error:
            raise SystemExit(str(error)) from None
        except wire.clickhouse.TRANSIENT as error:
            if time.monotonic() > give_up_at:
                raise SystemExit(f"ClickHouse did not answer within {PATIENCE_S:.0f} s: {error}") from None
            log.warning("waiting for ClickHouse", error=str(error)[:300])
            time.sleep(1)
        else:
            log.info("migrated", applied=applied)
            return


@app.command("ask")
def ask_command(name: str, parameters: Annotated[list[str] | None, typer.Argument(help="key=value")] = None) -> None:
    """Ask one of queries/ and print each row of the answer as a line of JSON."""
    given = dict(parameter.split("=", 1) for parameter in parameters or [])

    async def asked() -> None:
        client = await wire.clickhouse.async_client(settings().clickhouse_url)
        try:
            for row in await ask(client, name, **given):
                sys.stdout.write(msgspec.json.encode(row).decode() + "\n")
        finally:
            await client.close()

    try:
        asyncio.run(asked())
    except (LookupError, TypeError) as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    app()
