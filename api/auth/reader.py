"""Whoever is signed in, about to read: the same questions as `signed_in` asks, in the message that begins to read."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from api.auth.secrets import Held
from api.auth.service import Asking, signed_in
from api.auth.tokens import Claims
from api.doors import Doors
from api.reads import ONE_ROW


@asynccontextmanager
async def reading(doors: Doors, asking: Asking) -> AsyncIterator[asyncpg.Connection]:
    """A transaction that only reads what the caller's organization has. Raises Unauthenticated, Unavailable.

    An API key is looked for, and noted as used, in a transaction before; a visit has been checked already.
    """
    if isinstance(asking, Held):
        async with doors.database.transaction(asking.organization_id) as session:
            await signed_in(session, asking)
    proof = proof_of(asking) if isinstance(asking, Claims) else ONE_ROW
    async with doors.reads.of(asking.organization_id, proof) as connection:
        yield connection


def proof_of(claims: Claims) -> str:
    """The statement that finds an active user of a token in a session that has not ended. Ids need no quoting."""
    user = f"id = '{claims.user_id}' AND organization_id = '{claims.organization_id}' AND status = 'active'"
    session = f"s.id = '{claims.session_id}' AND s.user_id = users.id AND s.ended_at IS NULL"
    in_session = f"AND EXISTS (SELECT FROM sessions AS s WHERE {session})" if claims.session_id else ""
    return f"SELECT FROM users WHERE {user} {in_session}"
