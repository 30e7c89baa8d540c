"""ClickHouse as the collector uses it: what it claims to have accepted, and what of all claims is not counted yet."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple
from uuid import UUID

from clickhouse_connect.driver.asyncclient import AsyncClient
from clickhouse_connect.driver.exceptions import ClickHouseError
from pydantic import SecretStr

import wire.clickhouse

TIMEOUT_S: Final = 5
AWAY: Final = (ClickHouseError, *wire.clickhouse.TRANSIENT)
"""It does not answer, or has no such tables yet."""

_TYPES: Final = ("UUID", "DateTime('UTC')", "UUID", "UInt64", "DateTime64(3, 'UTC')")
_IN_FLIGHT: Final = Path(__file__).with_name("in_flight.sql").read_text()


class Claim(NamedTuple):
    """A row of `accepted_events`: how many so far, and when there was the last of them."""

    organization_id: UUID
    window: datetime
    collector: UUID
    accepted: int
    last_at: datetime


class AccountsTable:
    """Connected when first used. Every method raises one of AWAY."""

    def __init__(self, url: SecretStr) -> None:
        self._url = url
        self._client: AsyncClient | None = None

    async def store(self, claims: Sequence[Claim]) -> None:
        """Returns when the table has them."""
        client = await self._connected()
        await client.insert("accepted_events", claims, Claim._fields, column_type_names=_TYPES)

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
