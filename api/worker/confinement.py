"""Each group of updates sees one organization only."""

from uuid import UUID

import asyncpg


async def confine(connection: asyncpg.Connection, organization_id: UUID | None) -> None:
    """From here to the next call, or the end of the transaction, row-level security shows this organization only.

    Of None it shows what belongs to no organization.
    """
    named = str(organization_id or "")
    await connection.execute("SELECT set_config('app.organization_id', $1, true)", named)
