"""ClickHouse: chDB behind ClickHouse's HTTP interface, in a process of its own."""

import json
import sys
from base64 import b64encode
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from stack import keyring
from stack.child import Child, Stage
from stack.errors import Refused
from stack.ports import HOST
from stack.server import USER, Place, Server, no_install

READER: Final = "reader"
"""A second user, who may only read."""


def url(place: Place) -> str:
    """The owner's address, database `default`."""
    return f"http://{USER}:{place.secret('clickhouse')}@{HOST}:{place.ports['clickhouse']}/default"


async def ready(address: str) -> None:
    """SELECT 1 as the user that the address names."""
    at = urlsplit(address)
    login = b64encode(f"{at.username or 'default'}:{at.password or ''}".encode()).decode()
    where = f"{at.scheme}://{at.hostname}:{at.port}/"
    timeout = aiohttp.ClientTimeout(total=5)
    async with (
        aiohttp.ClientSession(timeout=timeout, headers={"Authorization": f"Basic {login}"}) as session,
        session.get(where, params={"query": "SELECT 1"}) as answer,
    ):
        if answer.status != 200:
            raise Refused(f"ClickHouse answers {answer.status}: {(await answer.text())[:200]}")


def prepare(place: Place) -> tuple[Child, ...]:
    """Write who may log in."""
    home = place.folder.root / "clickhouse"
    users = home / "users.json"
    known = {
        USER: {"password": place.secret("clickhouse")},
        READER: {"password": place.secret("clickhouse_reader"), "readonly": True},
    }
    keyring.write_private(users, json.dumps(known))
    port = place.ports["clickhouse"]
    address = url(place)
    child = Child(
        name="clickhouse",
        command=(
            *(sys.executable, "-m", "stack.clickhouse_http", str(home / "data")),
            *("--host", HOST, "--port", str(port), "--users", str(users)),
        ),
        stage=Stage.SERVERS,
        address=f"{HOST}:{port}",
        ready=lambda: ready(address),
        stop_seconds=20,
    )
    return (child,)


SERVER = Server("clickhouse", "clickhouse_url", ("clickhouse",), url, no_install, prepare, ready)
