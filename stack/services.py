"""The services of the path, as a table: what runs, where it listens, and how one sees that it is ready."""

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp

from stack.child import Child, Stage
from stack.environment import variable
from stack.errors import Refused
from stack.ports import HOST
from stack.server import Place

OWNER: Final = frozenset({variable("postgres_url")})
"""Only migrations and the first organization may own the schema; what serves never learns that password."""
IMPORTS: Final = frozenset({variable("postgres_import_url")})
"""Only the API takes in what was published elsewhere."""


@dataclass(frozen=True)
class Service:
    """A process of the path: `python -m MODULE ARGUMENTS`, started when what it stands `after` is ready. One that
    listens has a port of its own name. Each waits by itself for the servers that it uses, so only what would break it
    for good comes before it: missing tables, and topics that a broker would make with one partition."""

    name: str
    module: tuple[str, ...]
    stage: Stage
    after: tuple[str, ...]
    listens: bool = False


@dataclass(frozen=True)
class Migration:
    """A process that brings a schema up to date and ends."""

    name: str
    module: tuple[str, ...]
    after: tuple[str, ...]


MIGRATIONS: Final = (
    Migration("migrate-api", ("api", "migrate"), after=("postgres",)),
    Migration("migrate-analytics", ("analytics", "migrate"), after=("clickhouse",)),
)

VERIFY: Final = ("stack", "verify", "--every", "setting")

SERVICES: Final = (
    Service("streams", ("streams",), Stage.WORKERS, after=("kafka", "migrate-analytics")),
    Service("api", ("api", "serve"), Stage.DOORS, after=("migrate-api", "migrate-analytics"), listens=True),
    Service("ingestion", ("ingestion",), Stage.DOORS, after=("kafka", "migrate-api"), listens=True),
    Service("bridges", ("bridges",), Stage.WORKERS, after=("kafka", "migrate-api")),
    Service("worker", ("api", "work"), Stage.WORKERS, after=("migrate-api",)),
    Service("verify", VERIFY, Stage.WORKERS, after=("kafka", "migrate-api", "migrate-analytics")),
)

PORTS: Final = (
    *(service.name for service in SERVICES if service.listens),
    *(f"{service.name}_metrics" for service in SERVICES),
)


def command(*module: str) -> tuple[str, ...]:
    """How a module of ours is run; -P: the data folder is not a place to import from."""
    return (sys.executable, "-P", "-m", *module)


def child(service: Service, place: Place, environment: Mapping[str, str]) -> Child:
    """A service as a child of the supervisor."""
    port = place.ports[service.name] if service.listens else 0
    marker = place.folder.run / f"{service.name}.ready"
    own = {"worker_name": service.name, "host": HOST, "port": str(port)}
    own["metrics_port"] = str(place.ports[f"{service.name}_metrics"])
    return Child(
        name=service.name,
        command=command(*service.module),
        stage=service.stage,
        address=f"http://{HOST}:{port}" if port else "",
        environment={**environment, **{variable(name): value for name, value in own.items()}, "PYTHONUNBUFFERED": "1"},
        withheld=OWNER if service.name == "api" else OWNER | IMPORTS,
        before_start=lambda: marker.unlink(missing_ok=True),
        ready=lambda: _answers(port) if port else _exists(marker),
    )


async def _answers(port: int) -> None:
    """GET /readyz is 200."""
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session,
        session.get(f"http://{HOST}:{port}/readyz") as answer,
    ):
        if answer.status != 200:
            raise Refused(f"not ready yet: {answer.status}")


async def _exists(marker: Path) -> None:
    if not await asyncio.to_thread(marker.exists):
        raise Refused("not ready yet")
