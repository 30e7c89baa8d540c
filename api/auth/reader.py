"""Whoever is signed in, about to read: the same questions as `signed_in` asks, in the statement that reads."""

from api.auth.secrets import Held
from api.auth.service import Asking, Visit, signed_in
from api.doors import Doors
from api.reads import Reader


async def reader_of(doors: Doors, asking: Asking) -> Reader:
    """Who reads; whether they may is asked when they do. Raises Unauthenticated, Unavailable.

    An API key is looked for, and noted as used, in a transaction before; a visit has been checked already.
    """
    if isinstance(asking, Visit):
        return Reader(asking.organization_id, None)
    if isinstance(asking, Held):
        async with doors.database.transaction(asking.organization_id) as session:
            return Reader(asking.organization_id, (await signed_in(session, asking)).id)
    return Reader(asking.organization_id, asking.user_id, asking.session_id)
