"""Creations that are sent twice: the same `Idempotency-Key` again is answered with what the first one was answered.

A creation takes `once: Once` and makes its answer inside of it: `return await once(lambda: ...)`. What was answered is
kept with the creation itself, in one transaction, for 48 hours; a refusal is not kept, since nothing was done. A route
that hands out a secret takes `once: SealedOnce`: its answer is encrypted by keys that PostgreSQL never sees.
"""

import hashlib
import json
import re
from collections.abc import Awaitable, Callable
from typing import Annotated, Final

from fastapi import Depends, Header, Request, Response
from pydantic import AfterValidator, BaseModel, WithJsonSchema
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from api.auth.caller import Caller, Session
from api.auth.vault import Vault
from api.doors import OpenDoors
from api.errors import Conflict, Invalid
from api.users.models import User

KEPT: Final = frozenset({"content-type", "etag", "location"})
_LOCK: Final = text("SELECT pg_try_advisory_xact_lock(hashtextextended(:scope, 0))")
_FIND: Final = text("""
    SELECT fingerprint, status, headers, body FROM idempotency_keys
    WHERE organization_id = :organization AND user_id = :user AND key = :key
      AND created_at > now() - interval '48 hours'
""")
_KEEP: Final = text("""
    INSERT INTO idempotency_keys (organization_id, user_id, key, fingerprint, status, headers, body)
    VALUES (:organization, :user, :key, :fingerprint, :status, CAST(:headers AS jsonb), :body)
    ON CONFLICT (organization_id, user_id, key) DO UPDATE SET fingerprint = EXCLUDED.fingerprint,
        status = EXCLUDED.status, headers = EXCLUDED.headers, body = EXCLUDED.body, created_at = now()
""")
_WORD: Final = re.compile(r"[\x21-\x7e]{1,255}")


def _word(key: str) -> str:
    if not _WORD.fullmatch(key):
        raise ValueError("must be 1 to 255 letters, digits or signs of ASCII, without spaces; a random UUID will do")
    return key


Word = Annotated[
    str, AfterValidator(_word), WithJsonSchema({"type": "string", "pattern": f"^{_WORD.pattern}$", "maxLength": 255})
]
Key = Annotated[
    Word | None,
    Header(
        alias="Idempotency-Key",
        description="a word of your own: the same request with it again, within 48 hours, creates nothing more "
        "and is answered the same",
    ),
]


class Idempotence:
    """One request's creation, and the key that it came with, if any; with a vault, what is kept is sealed."""

    def __init__(
        self, session: AsyncSession, caller: User, key: str | None, fingerprint: bytes, vault: Vault | None = None
    ) -> None:
        self._session = session
        self._scope = {"organization": caller.organization_id, "user": caller.id, "key": key}
        self._key = key
        self._fingerprint = fingerprint
        self._vault = vault

    async def __call__(self, make: Callable[[], Awaitable[Response]]) -> Response:
        """The answer of the first time, or else of this one, kept.

        Raises Conflict while the first is being made, or where nothing can be sealed, Invalid where it was another
        request that had this key.
        """
        if self._key is None:
            return await make()
        scope = {"scope": " ".join(str(part) for part in self._scope.values())}
        if not await self._session.scalar(_LOCK, scope):
            raise Conflict("the first request with this key is not done yet; try again", headers={"Retry-After": "1"})
        found = (await self._session.execute(_FIND, self._scope)).one_or_none()
        if found is None:
            return await self._kept(await make())
        if found.fingerprint != self._fingerprint:
            raise Invalid("this Idempotency-Key was sent with another request; take a new one")
        body = self._vault.open(found.body) if self._vault else found.body
        return Response(body, found.status, {**found.headers, "Idempotency-Replayed": "true"})

    async def _kept(self, made: Response) -> Response:
        headers = {name: value for name, value in made.headers.items() if name in KEPT}
        body = bytes(made.body)
        sealed = self._vault.seal(body.decode()) if self._vault else body
        kept = {"fingerprint": self._fingerprint, "status": made.status_code, "body": sealed}
        await self._session.execute(_KEEP, {**self._scope, **kept, "headers": json.dumps(headers)})
        return made


def created(made: BaseModel) -> Response:
    """What was created, as an answer."""
    return Response(made.model_dump_json(), 201, media_type="application/json")


async def once_of(request: Request, session: Session, caller: Caller, key: Key = None) -> Idempotence:
    """How the request's creation is to be made once."""
    return Idempotence(session, caller, key, await _fingerprint(request))


async def sealed_once_of(
    doors: OpenDoors, request: Request, session: Session, caller: Caller, key: Key = None
) -> Idempotence:
    """The same for an answer that holds a secret."""
    return Idempotence(session, caller, key, await _fingerprint(request), doors.vault)


async def _fingerprint(request: Request) -> bytes:
    asked = b"\n".join([request.method.encode(), request.url.path.encode(), await request.body()])
    return hashlib.sha256(asked).digest()


Once = Annotated[Idempotence, Depends(once_of)]
SealedOnce = Annotated[Idempotence, Depends(sealed_once_of)]
