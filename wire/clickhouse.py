"""The door to ClickHouse over HTTP: the same client for the embedded engine and for a server."""

from typing import Any
from urllib.parse import unquote, urlsplit

import clickhouse_connect
from clickhouse_connect.driver.asyncclient import AsyncClient
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError
from pydantic import SecretStr

SETTINGS = {"async_insert": 0, "final": 1, "max_partitions_per_insert_block": 0, "optimize_on_insert": 0}
"""Inserts wait until they are stored; every read sees each row once, whatever the merges have not yet done."""

TRANSIENT = (OperationalError, OSError, TimeoutError)

_HEALING = {
    60: "UNKNOWN_TABLE",
    75: "CANNOT_WRITE_TO_FILE_DESCRIPTOR",
    76: "CANNOT_OPEN_FILE",
    81: "UNKNOWN_DATABASE",
    159: "TIMEOUT_EXCEEDED",
    164: "READONLY",
    173: "CANNOT_ALLOCATE_MEMORY",
    201: "QUOTA_EXCEEDED",
    202: "TOO_MANY_SIMULTANEOUS_QUERIES",
    203: "NO_FREE_CONNECTION",
    209: "SOCKET_TIMEOUT",
    210: "NETWORK_ERROR",
    225: "NO_ZOOKEEPER",
    236: "ABORTED",
    241: "MEMORY_LIMIT_EXCEEDED",
    242: "TABLE_IS_READ_ONLY",
    243: "NOT_ENOUGH_SPACE",
    252: "TOO_MANY_PARTS",
    285: "TOO_FEW_LIVE_REPLICAS",
    286: "UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE",
    319: "UNKNOWN_STATUS_OF_INSERT",
    394: "QUERY_WAS_CANCELLED",
    439: "CANNOT_SCHEDULE_TASK",
    516: "AUTHENTICATION_FAILED",
    999: "KEEPER_EXCEPTION",
}
"""What a server that answers may get over: merges catch up, memory and disk become free, a replica is back, a table is
attached or migrated."""


def heals(error: Exception) -> bool:
    """Whether asking the same again later may succeed. An error without a code is not ClickHouse's own: what stands
    before it has answered."""
    if isinstance(error, TRANSIENT):
        return True
    return type(error) is DatabaseError and (error.code is None or error.code in _HEALING)


def _parts(url: SecretStr) -> dict[str, Any]:
    at = urlsplit(url.get_secret_value())
    return {
        "interface": at.scheme,
        "host": at.hostname,
        "port": at.port,
        "username": unquote(at.username or "default"),
        "password": unquote(at.password or ""),
        "database": at.path.strip("/") or "default",
        "compress": False,
        "autogenerate_session_id": False,
        "form_encode_query_params": True,
        "settings": dict(SETTINGS),
        "connect_timeout": 5,
    }


def client(url: SecretStr, *, timeout_s: int = 60) -> Client:
    """A blocking client, for threads and command lines; thread-safe, since it holds no session."""
    return clickhouse_connect.get_client(**_parts(url), send_receive_timeout=timeout_s)


async def async_client(url: SecretStr, *, timeout_s: int = 30) -> AsyncClient:
    """An asyncio client."""
    return await clickhouse_connect.get_async_client(**_parts(url), send_receive_timeout=timeout_s)
