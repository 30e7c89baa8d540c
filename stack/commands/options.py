"""Options that several commands have."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final

import typer

from stack.errors import Refused

Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        envvar="TALLYWIRE_DATA",
        help="The data folder.",
        show_default="data/ in the checkout",
        file_okay=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Since = Annotated[
    str,
    typer.Option("--since", help="Only from then on (UTC): 30m, 2h, 7d, or 2026-03-01[T12:30].", show_default="all"),
]

EVER: Final = datetime.fromtimestamp(0, UTC)
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}


def time_of(since: str, now: datetime) -> datetime:
    """`30m`, `2h`, `7d` before now, or a time in ISO 8601 (UTC where it names no zone); EVER for nothing at all.

    Raises Refused for anything else.
    """
    if not since:
        return EVER
    if ago := re.fullmatch(r"(\d{1,5})([mhd])", since):
        return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        at = datetime.fromisoformat(since)
    except ValueError:
        raise Refused(f"--since {since} is no time: say 30m, 2h, 7d, or 2026-03-01, or 2026-03-01T12:30") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
