"""`tallywire rejections`."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
import typer
from clickhouse_connect.driver.exceptions import ClickHouseError
from rich.console import Console
from rich.table import Table

import wire.clickhouse
from analytics.ask import ask
from stack import environment
from stack.commands.options import Data, Json, Since, time_of
from stack.errors import Refused
from wire.settings import Settings

NOBODY: Final = UUID(int=0)
"""The organization of what names none, such as an envelope that cannot be read."""
NOT_A_TERMINAL: Final = 300
"""Columns of the table where no person looks at it: as many as it needs."""


def rejections(
    data: Data = None,
    organization: Annotated[
        str, typer.Option(help="Only of this organization (its id), or `none`: of what names no organization.")
    ] = "",
    reason: Annotated[str, typer.Option(help="Only for this reason, such as `unknown_content`.")] = "",
    since: Since = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many, the newest.")] = 50,
    json: Json = False,
) -> None:
    """What was refused, of every organization, and why. With --json also the first part of each input: it may hold
    personal data."""
    begin = time_of(since, datetime.now(UTC))
    asked = {"organizations": organizations(organization), "reason": reason, "since": begin}
    try:
        reasons, found = asyncio.run(_ask(environment.load(data), asked, limit))
    except (ClickHouseError, *wire.clickhouse.TRANSIENT) as error:
        raise Refused(f"ClickHouse does not answer: {error}") from error
    if json:
        told = {"reasons": {row["reason"]: row["count"] for row in reasons}, "rejections": found}
        typer.echo(msgspec.json.format(msgspec.json.encode(told), indent=2))
    else:
        console = Console(highlight=False, markup=False)
        _print(console if console.is_terminal else Console(markup=False, width=NOT_A_TERMINAL), reasons, found)


def organizations(named: str) -> list[UUID]:
    """Whose rejections are asked for; nobody's name means all. Raises Refused for what is no id."""
    if not named or named == "none":
        return [NOBODY] if named else []
    try:
        return [UUID(named)]
    except ValueError:
        raise Refused(f"--organization {named} is no id of an organization, nor `none`") from None


async def _ask(
    settings: Settings, asked: dict[str, Any], limit: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    client = await wire.clickhouse.async_client(settings.clickhouse_url)
    try:
        reasons = await ask(client, "reasons_of_all", **asked)
        return reasons, await ask(client, "rejections_of_all", **asked, limit=limit)
    finally:
        await client.close()


def _print(console: Console, reasons: list[dict[str, Any]], found: list[dict[str, Any]]) -> None:
    if not found:
        console.print("Nothing was refused.")
        return
    table = Table("refused at", "organization", "source", "place", "reason", "", box=None, pad_edge=False)
    for row in found:
        whose = "none" if row["organization_id"] == NOBODY else str(row["organization_id"])
        at = f"{row['rejected_at']:%Y-%m-%d %H:%M:%S}"
        table.add_row(at, whose, row["source"], str(row["place"]), row["reason"], _plain(row["detail"]))
    console.print(table)
    total = sum(row["count"] for row in reasons)
    by_reason = ", ".join(f"{row['reason']} {row['count']:,}" for row in reasons)
    console.print(f"{len(found):,} of {total:,} refused: {by_reason}")


def _plain(text: str) -> str:
    """Text from outside that cannot steer the terminal."""
    shown = "".join(character if character.isprintable() else "�" for character in text)
    return shown if len(shown) <= 100 else shown[:99] + "…"
