"""`tallywire up`."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Annotated, Final, Literal

import typer
from rich.console import Console

from stack import state, summary
from stack.commands.options import Data
from stack.errors import Refused
from stack.folder import Folder, folder_at
from stack.logs import size, tail
from stack.options import Options
from stack.progress import Progress, waiting_for
from stack.state import State

LONGEST_END_SECONDS: Final = 60

Kafka = Annotated[
    Literal["tansu", "apache"] | None,
    typer.Option(
        envvar="KAFKA",
        help="`tansu`: starts at once, log in memory. `apache`: on the JVM, log on disk.",
        show_default="as the last time, at first tansu",
    ),
]


def up(
    data: Data = None,
    kafka: Kafka = None,
    foreground: Annotated[bool, typer.Option(help="Stay attached; Ctrl-C stops everything.")] = False,
    servers_only: Annotated[bool, typer.Option(help="Start the servers, not the services.")] = False,
    any_ports: Annotated[bool, typer.Option(hidden=True, help="Any free ports, for tests.")] = False,
) -> None:
    """Start everything, and say where it is.

    Starts PostgreSQL, Valkey, RabbitMQ, Kafka and ClickHouse, brings their schemas up to date, starts the services,
    and on the first run makes an organization with an admin. A server whose address is in the environment
    (`TALLYWIRE_POSTGRES_URL`, `TALLYWIRE_REDIS_URL`, `TALLYWIRE_RABBITMQ_URL`, `TALLYWIRE_KAFKA_URL`,
    `TALLYWIRE_CLICKHOUSE_URL`) is used there and not started. Run again, it says what runs already.
    """
    folder = folder_at(data)
    console = Console(highlight=False, soft_wrap=True)
    progress = Progress(console)
    options = Options(kafka, servers_only, any_ports)
    if state.is_running(folder):
        console.print(f"Tallywire already runs on {folder.root}.")
        _wait(folder, console, progress, lambda: state.is_running(folder))
    elif foreground:
        from stack.supervisor import supervise

        supervise(folder, options, _attached(folder, console, progress, servers_only=servers_only))
        return
    else:
        folder.make()
        said = size(folder.log("supervisor"))
        started = _detach(folder, options)
        _wait(folder, console, progress, lambda: started.poll() is None, started.pid, said)
    found = state.read(folder)
    if found:
        summary.print_welcome(console, folder, found, servers_only="api" not in found.children)


def _attached(folder: Folder, console: Console, progress: Progress, *, servers_only: bool) -> Callable[[State], None]:
    """Progress, and once the welcome."""
    welcomed = False

    def changed(now: State) -> None:
        nonlocal welcomed
        progress(now)
        if now.phase == "ready" and not welcomed:
            welcomed = True
            summary.print_welcome(console, folder, now, servers_only=servers_only)

    return changed


def _detach(folder: Folder, options: Options) -> subprocess.Popen[bytes]:
    """A supervisor in a session of its own, which outlives this terminal."""
    command = [sys.executable, "-m", "stack", "up", "--foreground", "--data", str(folder.root)]
    command += ["--kafka", options.kafka] if options.kafka else []
    command += ["--servers-only"] if options.servers_only else []
    command += ["--any-ports"] if options.any_ports else []
    with folder.log("supervisor").open("ab") as out:
        return subprocess.Popen(  # noqa: S603 — our own words
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )


def _wait(
    folder: Folder, console: Console, progress: Progress, lives: Callable[[], bool], pid: int = 0, said: int = 0
) -> None:
    """Until it is ready; says what happens meanwhile. Raises Refused where it ends instead, with what the supervisor's
    log has after its first `said` bytes."""
    with _spinner(console) as say:
        while lives():
            now = state.read(folder)
            if now and now.supervisor and pid in (0, now.supervisor.pid):
                progress(now)
                say(waiting_for(now))
                if now.phase == "ready":
                    return
                if now.phase in ("failed", "stopped"):
                    break
            time.sleep(0.1)
        end = time.monotonic() + LONGEST_END_SECONDS
        while lives() and time.monotonic() < end:
            time.sleep(0.1)
    ended = state.read(folder)
    if ended and ended.message and ended.supervisor and pid in (0, ended.supervisor.pid):
        raise Refused(ended.message)
    last = "\n".join(tail(folder.log("supervisor"), 15, since=said))
    raise Refused(f"It did not start. The supervisor's last words:\n{last}")


@contextlib.contextmanager
def _spinner(console: Console) -> Iterator[Callable[[str], None]]:
    with console.status("starting") as status:
        yield status.update
