"""Reading content over HTTP: lists, filters, orders, search and single pieces, of many pieces in many organizations.

The content is made once for all runs. Then each kind of request is sent over four connections for some seconds, each
time of another organization: how long the answers took, and how many the API gave for each second of its own CPU; it
has one process. PostgreSQL's CPU is told beside it, of the processes that serve the API; the load's is in the times.
"""

import asyncio
import itertools
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit
from uuid import UUID

import asyncpg
import numpy as np

from api.auth.tokens import Tokens, ensure_key_file, read_key_file
from benchmarks.contenders.result import task, tell
from benchmarks.processes import cpu_seconds, rss_mb
from stack import environment

SQL: Final = Path(__file__).parent / "content.sql"
CONNECTIONS: Final = 4
ORGANIZATIONS: Final = 100
READY_S: Final = 30
_HOUSES: Final = """
SELECT o.id, (SELECT array_agg(u.id ORDER BY u.email) FROM users AS u WHERE u.organization_id = o.id) AS people,
       ARRAY(SELECT c.id FROM content AS c WHERE c.organization_id = o.id ORDER BY created_at DESC LIMIT 20) AS pieces
FROM organizations AS o WHERE o.slug LIKE 'bench-content-%' ORDER BY o.slug
"""


async def filled(url: str, pieces: int) -> list[asyncpg.Record]:
    """The organizations, their people and some of their pieces; made where they are not there yet."""
    owner = await asyncpg.connect(url, command_timeout=None)
    if not await owner.fetchval("SELECT EXISTS (SELECT FROM organizations WHERE slug = 'bench-content-1')"):
        await owner.execute(SQL.read_text().format(pieces=pieces, organizations=ORGANIZATIONS))
        await owner.execute("VACUUM (ANALYZE) content")
        await owner.execute("VACUUM (ANALYZE) content_words")
    houses: list[asyncpg.Record] = await owner.fetch(_HOUSES)
    await owner.close()
    return houses


def questions(pieces: int, now: datetime) -> dict[str, dict[str, Any]]:
    """Each kind of list, by what it is called in the table."""
    recent = (now - timedelta(seconds=pieces / 4)).isoformat()
    return {
        "a list": {},
        "page 50": {"page": 50},
        "by status": {"status": "draft"},
        "by platform": {"platform": "podcast"},
        "by type": {"type": "custom"},
        "by creator": {"creator_id": "{person}"},
        "by assignee": {"assignee_id": "{person}"},
        "by compliance": {"compliance_status": "flagged"},
        "by time of creation": {"created_from": recent},
        "by update, sorted by it": {"updated_from": recent, "sort": "-updated_at"},
        "by publication, sorted by it": {"published_from": recent, "sort": "-published_at"},
        "by score, sorted by it": {"quality_min": 5, "quality_max": 6, "sort": "-quality_score"},
        "by three at once": {"status": "published", "type": "custom", "platform": "web"},
        "a search, rare word": {"q": "word4800"},
        "a search, common word": {"q": "word60"},
        "a search that finds everything": {"q": "word1"},
        "a search with a filter": {"q": "word60 -word70", "status": "draft"},
    }


def requests(houses: list[asyncpg.Record], tokens: Tokens, asked: dict[str, Any] | None) -> Iterator[bytes]:
    """Requests without end, each of the next organization; of single pieces where nothing is asked of a list."""
    made = []
    for house in houses:
        person = house["people"][2]  # whose session has the same id
        token = tokens.issue(person, house["id"], person)
        path = f"/{house['pieces'][0]}" if asked is None else "?" + urlencode(_of(asked, person))
        made.append(f"GET /api/v1/content{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    return itertools.cycle(made)


def _of(asked: dict[str, Any], person: UUID) -> dict[str, str]:
    return {name: str(value).replace("{person}", str(person)) for name, value in asked.items()}


async def sent(port: int, wanted: Iterator[bytes], seconds: float) -> list[float]:
    """Send one after another over each connection -> how long each answer took, in seconds. Refuses all but 200."""
    took: list[float] = []
    end = time.perf_counter() + seconds

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (start := time.perf_counter()) < end:
            writer.write(next(wanted))
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r")[0]))
            took.append(time.perf_counter() - start)
            assert head.startswith(b"http/1.1 200"), head
        writer.close()

    await asyncio.gather(*(one() for _ in range(CONNECTIONS)))
    return took


async def ready(port: int) -> None:
    """Wait until the API listens. Raises TimeoutError."""
    async with asyncio.timeout(READY_S):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.1)
            else:
                writer.close()
                return


async def backends(urls: dict[str, str]) -> list[int]:
    """PostgreSQL's processes that serve the API."""
    role = urlsplit(urls[environment.variable("postgres_app_url")]).username
    owner = await asyncpg.connect(urls[environment.variable("postgres_url")])
    rows = await owner.fetch("SELECT pid FROM pg_stat_activity WHERE usename = $1", role)
    await owner.close()
    return [row["pid"] for row in rows]


async def measured(told: dict[str, Any], pid: int, port: int, tokens: Tokens, houses: list[Any]) -> dict[str, Any]:
    """By kind of request: percentiles in milliseconds, and the CPU of the API and of PostgreSQL."""
    await ready(port)
    parts: dict[str, Any] = {}
    kinds: dict[str, dict[str, Any] | None] = {"one piece": None, **questions(told["pieces"], datetime.now(UTC))}
    for name, asked in kinds.items():
        wanted = requests(houses, tokens, asked)
        await sent(port, wanted, told["seconds"] / 4)
        serving = await backends(told["environment"])
        before, of_postgres = cpu_seconds([pid]), cpu_seconds(serving)
        took = await sent(port, wanted, told["seconds"])
        p50, p99 = (float(np.percentile(took, percent) * 1000) for percent in (50, 99))
        parts[name] = {
            "requests": len(took),
            "cpu_seconds": cpu_seconds([pid]) - before,
            "postgres_cpu_seconds": cpu_seconds(serving) - of_postgres,
            "wall_seconds": told["seconds"],
            "p50_ms": p50,
            "p99_ms": p99,
        }
    return parts


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def main() -> None:
    """Fill, serve, ask, tell."""
    told = task()
    houses = asyncio.run(filled(told["environment"][environment.variable("postgres_url")], told["pieces"]))
    keys, port = Path(told["folder"]) / "keys.json", _free_port()
    ensure_key_file(keys)
    of_api = {"signing_keys_file": str(keys), "port": str(port), "host": "127.0.0.1"}
    variables = {**os.environ, **told["environment"], **{environment.variable(n): v for n, v in of_api.items()}}
    tokens = Tokens(read_key_file(keys))
    with subprocess.Popen([sys.executable, "-m", "api", "serve"], env=variables, stdout=subprocess.DEVNULL) as api:
        try:
            parts = asyncio.run(measured(told, api.pid, port, tokens, houses))
            memory = rss_mb(api.pid)
        finally:
            api.send_signal(signal.SIGTERM)
    requests_in_all = sum(part["requests"] for part in parts.values())
    spent = {name: sum(part[name] for part in parts.values()) for name in ("cpu_seconds", "wall_seconds")}
    spent["rss_mb"] = memory
    tell(requests_in_all, spent, "fastapi", "uvicorn", "asyncpg", pieces=told["pieces"], parts=parts)


if __name__ == "__main__":
    main()
