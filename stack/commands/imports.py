"""`tallywire import`: what others have counted, from their files."""

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, Final

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from stack import environment, first_run, session
from stack.commands.options import Data, Json
from stack.errors import Refused
from stack.folder import folder_at
from wire.errors import Error
from wire.events import PLATFORM, PLATFORM_PATTERN, Kind

if TYPE_CHECKING:
    from ingestion.client import Client
    from ingestion.importers.delivery import Summary

app = typer.Typer(
    help="Bring in what others have counted. The same file again changes nothing.\n\n"
    "Another system than the local one: set TALLYWIRE_API_URL, TALLYWIRE_INGESTION_URL, TALLYWIRE_TOKEN and "
    "TALLYWIRE_WRITE_KEY.",
    no_args_is_help=True,
)

GIVEN: Final = ("TALLYWIRE_API_URL", "TALLYWIRE_INGESTION_URL", "TALLYWIRE_TOKEN", "TALLYWIRE_WRITE_KEY")
"""An address or credential in the environment is used instead of the local system's."""

ReadableFile = Annotated[
    Path, typer.Argument(help="A CSV file with a header line.", exists=True, dir_okay=False, readable=True)
]
ReadableFiles = Annotated[
    list[Path], typer.Argument(help="Logs, plain or gzip.", exists=True, dir_okay=False, readable=True)
]
Source = Annotated[
    str | None, typer.Option(help="What the file is called for ever, whatever its name.", show_default="its name")
]


@app.command("access-log")
def access_log(files: ReadableFiles, source: Source = None, data: Data = None, json: Json = False) -> None:
    """Access logs in the combined format (Apache, nginx), also gzip: each line is a view, or refused with its reason.

    A view is a GET answered 200 of a page; each page becomes a published piece, titled by its path. Robots are marked.
    """
    from ingestion.importers import access_log, delivery
    from ingestion.importers.lines import read_lines, source_name

    if source and len(files) > 1:
        raise Refused("--source names one file; import the others by themselves")

    async def bring(
        client: "Client", file: Path, raw: IO[bytes], summary: "Summary", moved: Callable[[], None]
    ) -> None:
        entries = access_log.parse(read_lines(raw), source or source_name(file))
        await delivery.views(entries, client, summary, moved)

    _run(files, bring, data, json=json)


@app.command()
def posts(
    file: ReadableFile,
    platform: Annotated[str, typer.Option(help="Where the posts are.")] = "facebook",
    id_column: Annotated[str, typer.Option(help="What identifies a post.")] = "post_id",
    title_column: Annotated[list[str], typer.Option(help="What makes its title; may be given again.")] = [  # noqa: B006
        "Page",
        "Post Type",
        "post_id",
    ],
    date_column: Annotated[str, typer.Option(help="When it was published; empty for none.")] = "Date Published",
    metric: Annotated[list[str], typer.Option(help="KIND=COLUMN of a total; may be given again.")] = [  # noqa: B006
        "share=share_count",
        "reaction=reaction_count",
        "comment=comment_count",
    ],
    captured_at: Annotated[
        datetime | None, typer.Option(help="When the totals were true, UTC.", show_default="when the file was changed")
    ] = None,
    source: Source = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """A CSV table of posts with a platform's own totals, kept as snapshots: the latest wins. Empty is not zero."""

    from ingestion.importers import delivery, posts
    from ingestion.importers.lines import source_name

    if not PLATFORM.match(platform):
        raise Refused(f"--platform must match {PLATFORM_PATTERN}")
    columns = posts.Columns(id_column, title_column, date_column or None, _metrics(metric))
    at = (captured_at or datetime.fromtimestamp(file.stat().st_mtime, UTC)).replace(tzinfo=UTC)

    async def bring(
        client: "Client", file: Path, raw: IO[bytes], summary: "Summary", moved: Callable[[], None]
    ) -> None:
        entries = posts.parse(posts.text_lines(raw), columns, source or source_name(file))
        await delivery.posts(entries, client, summary, moved, platform=platform, captured_at=at)

    _run([file], bring, data, json=json)


def _metrics(named: list[str]) -> dict[Kind, str]:
    pairs = [text.partition("=") for text in named]
    try:
        return {Kind(kind): column for kind, _, column in pairs}
    except ValueError as error:
        raise Refused(f"--metric is KIND=COLUMN, where KIND is one of {', '.join(Kind)}: {error}") from error


Bring = Callable[["Client", Path, IO[bytes], "Summary", Callable[[], None]], Awaitable[None]]


def _run(files: list[Path], bring: Bring, data: Path | None, *, json: bool) -> None:
    """Bring the files one after the other, say what was done, and refuse at the end what could not be delivered."""
    from ingestion.importers.delivery import Summary

    summary = Summary()
    trouble = ""
    try:
        with _bar(files, shown=not json) as advance:
            asyncio.run(_bring_each(files, bring, data, summary, advance))
    except (Error, OSError, EOFError, zlib.error, ValueError) as error:
        trouble = str(error)
    if not trouble and summary.not_taken:
        trouble = "the collector refused some; `tallywire import` again after mending, nothing counts twice"
    told = {name: value for name, value in vars(summary).items() if value}
    if json:
        typer.echo(msgspec.json.encode(told | ({"error": trouble} if trouble else {})).decode())
    else:
        _print(told)
    if trouble:
        raise typer.Exit(1) if json else Refused(f"Not everything could be delivered: {trouble}")


async def _bring_each(
    files: list[Path], bring: Bring, data: Path | None, summary: "Summary", advance: Callable[[Path, int], None]
) -> None:
    async with _client(data) as client:
        for file in files:
            with file.open("rb") as raw:
                await bring(client, file, raw, summary, partial(_moved, advance, file, raw))


def _moved(advance: Callable[[Path, int], None], file: Path, raw: IO[bytes]) -> None:
    advance(file, raw.tell())


def _client(data: Path | None) -> "Client":
    """To the local system, or to where the environment says."""
    from ingestion.client import Client

    api_url, ingestion_url, token, write_key = (environment.own().get(name, "") for name in GIVEN)
    if not (api_url and ingestion_url):
        local = environment.load(data)
        api_url, ingestion_url = api_url or local.api_url, ingestion_url or local.ingestion_url

    async def fresh_token() -> str:
        return token or await asyncio.to_thread(session.access_token, data)

    return Client(
        api_url=api_url,
        ingestion_url=ingestion_url,
        write_key=write_key or first_run.local_key(folder_at(data)).key,
        token=fresh_token,
    )


@contextmanager
def _bar(files: list[Path], *, shown: bool) -> Iterator[Callable[[Path, int], None]]:
    """A progress bar a file, in bytes read."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not shown) as progress:
        tasks = {file: progress.add_task(file.name, total=file.stat().st_size) for file in files}
        yield lambda file, position: progress.update(tasks[file], completed=position)


def _print(told: dict[str, Any]) -> None:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for name, value in told.items():
        label = name.replace("_", " ")
        if isinstance(value, int):
            table.add_row(label, f"{value:,}")
        else:
            table.add_row(label, f"{sum(value.values()):,}")
            for part, count in value.items():
                table.add_row(f"  {part}", f"{count:,}")
    Console(highlight=False).print(table)
