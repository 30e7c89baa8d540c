"""Where everything is, for people and for programs."""

import os
import shutil
import sys
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from rich.console import Console

from stack import first_run, verified, watch
from stack.environment import PREFIX
from stack.folder import Folder
from stack.state import State

KAFKA_WARNING = (
    "Kafka is Tansu: its log is in memory, and what has not been counted yet when it stops is lost."
    " `KAFKA=apache make up` keeps the log on disk (needs Java 17 and Maven)."
)


def addresses(state: State) -> dict[str, str]:
    """Every address without credentials: `postgres`, `redis`, `rabbitmq`, `kafka`, `clickhouse`, `api`, ..."""
    found = {
        name.removeprefix(PREFIX).removesuffix("_URL").lower(): without_credentials(value)
        for name, value in state.environment.items()
        if name.startswith(PREFIX) and name.endswith("_URL")
    }
    found |= {
        name: f"http://127.0.0.1:{port}"
        for name, port in state.ports.items()
        if name.endswith(("_metrics", "_management"))
    }
    return dict(sorted(found.items()))


def without_credentials(url: str) -> str:
    """A URL that may be shown."""
    at = urlsplit(url)
    return urlunsplit(at._replace(netloc=at.netloc.rpartition("@")[2]))


def report(folder: Folder, state: State | None, *, running: bool, secrets: bool) -> dict[str, object]:
    """What `tallywire status --json` prints; credentials only where they are asked for."""
    if state is None:
        return {"running": False, "phase": "never started", "data": str(folder.root)}
    stopped = [marker.read_text().strip() for marker in sorted(folder.run.glob("*.stopped.*"))]
    phase = _phase(state, running=running)
    known: dict[str, object] = {
        "running": running,
        "phase": "standing still" if phase == "ready" and stopped else phase,
        "message": state.message,
        "data": str(folder.root),
        "kafka": state.kafka,
        "started_at": state.started_at.isoformat() if state.started_at else None,
        "addresses": addresses(state),
        "sign_in": {"email": first_run.EMAIL, "password_file": str(folder.secrets / first_run.PASSWORD)},
        "children": {name: _child(state, name, running=running) for name in state.children},
        "notes": [*state.notes, *(stopped if running else ())],
        "verified": verified.line(verified.read(folder.run)),
    }
    if secrets:
        known["environment"] = state.environment
    return known


def _phase(state: State, *, running: bool) -> str:
    if not running:
        return state.phase if state.phase in ("stopped", "failed") else "died"
    whole = all(child.condition in ("ready", "external") for child in state.children.values())
    return "recovering" if state.phase == "ready" and not whole else state.phase


def _child(state: State, name: str, *, running: bool) -> dict[str, object]:
    child = state.children[name]
    ours = child.condition not in ("external", "stopped")
    return {
        "condition": child.condition if running or not ours else "died",
        "address": child.address,
        "pid": child.process.pid if child.process and running else None,
        "ready_after_s": child.ready_after_s,
        "restarts": child.restarts,
        "memory_mb": watch.memory_bytes(child.process.pid) >> 20 if child.process and running else 0,
    }


def print_welcome(console: Console, folder: Folder, state: State, *, servers_only: bool) -> None:
    """What to say when everything is ready: where it is and how to sign in."""
    known = addresses(state)
    console.print()
    if not servers_only:
        password = _short(folder.secrets / first_run.PASSWORD)
        console.print(f"  API        {known['api']}  (described at {known['api']}/docs)")
        console.print(f"  Events     {known['ingestion']}/v1/events")
        console.print(f"  Sign in    {first_run.EMAIL}, password in {password}")
        console.print(f"             `{program()} token` prints an access token for curl")
    console.print(f"  Data       {_short(folder.root)}, logs in {_short(folder.logs)}")
    console.print(f"  More       `{program()} status`, `{program()} logs -f`, `{program()} down`")
    if state.kafka == "tansu" and state.children["kafka"].condition != "external":
        console.print(f"\n[yellow]•[/yellow] {KAFKA_WARNING}")


def program() -> str:
    """How this command is called here: by name where the shell finds it, otherwise by its path."""
    beside = Path(sys.executable).with_name("tallywire")
    return "tallywire" if shutil.which("tallywire") == str(beside) else _short(beside)


def _short(path: Path) -> str:
    near = os.path.relpath(path)
    return str(path) if near.startswith("..") else near
