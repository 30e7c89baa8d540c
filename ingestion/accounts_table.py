"""ClickHouse as the collector uses it: what it claims to have accepted, and what of all claims is not counted yet."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple
from uuid import UUID

import msgspec
from clickhouse_connect.driver.asyncclient import AsyncClient
from clickhouse_connect.driver.exceptions import ClickHouseError
from pydantic import SecretStr

import wire.clickhouse

TIMEOUT_S: Final = 5
AWAY: Final = (ClickHouseError, *wire.clickhouse.TRANSIENT)
"""It does not answer, or has no such tables yet."""

_IN_FLIGHT: Final = Path(__file__).with_name("in_flight.sql").read_text()


class Claim(NamedTuple):
    """A row of `accepted_events`: how many so far, and when there was the last of them."""

    organization_id: UUID
    window: datetime
    collector: UUID
    accepted: int
    last_at: datetime


def _row(claim: Claim) -> bytes:
    """A claim as JSON; ClickHouse takes times without their zone, which is UTC."""
    window, last_at = (at.replace(tzinfo=None) for at in (claim.window, claim.last_at))
    told = {"window": window.isoformat(" "), "last_at": last_at.isoformat(" ", "milliseconds")}
    return msgspec.json.encode(claim._asdict() | told)


class AccountsTable:
    """Connected when first used. Every method raises one of AWAY."""

    def __init__(self, url: SecretStr) -> None:
        self._url = url
        self._client: AsyncClient | None = None

    async def store(self, claims: Sequence[Claim]) -> None:
        """Returns when the table has them."""
        client = await self._connected()
        # insert() would be shorter, and loads pandas, which holds up every request for up to a second and takes 30 MB
        rows = b"\n".join(map(_row, claims))
        await client.raw_insert("accepted_events", Claim._fields, rows, fmt="JSONEachRow")

    async def in_flight(self, since: datetime) -> tuple[int, datetime | None]:
        """All organizations' events accepted since then and not counted yet, and the oldest window that has one."""
        client = await self._connected()
        ((events, oldest_s),) = (await client.query(_IN_FLIGHT, {"since": since})).result_rows
        return int(events), datetime.fromtimestamp(oldest_s, UTC) if oldest_s else None

    async def close(self) -> None:
        """Close the connection, if there is one."""
        if self._client is not None:
            await self._client.close()

    async def _connected(self) -> AsyncClient:
        if self._client is None:
            self._client = await wire.clickhouse.async_client(self._url, timeout_s=TIMEOUT_S)
        return self._client
