"""Sessions: begin, refresh, list, end."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from api import audit
from api.auth.origin import Origin
from api.auth.secrets import hash_of, new_secret, read_secret
from api.auth.tokens import Claims, Tokens
from api.db import Database
from api.errors import NotFound, Unauthenticated
from api.sessions.schemas import SessionResponse, TokenResponse
from api.users.models import User, UserStatus
from wire.ids import new_id

PREFIX = "twr_"
OVER = "this refresh token does not hold; sign in again"

_BEGIN = text("""
    INSERT INTO sessions (id, organization_id, user_id, method, user_agent, address, expires_at)
    VALUES (:id, :organization, :user, :method, :user_agent, :address, now() + interval '30 days')
""")
_GIVE = text("INSERT INTO refresh_tokens (token_hash, organization_id, session_id) VALUES (:hash, :organization, :id)")
_LOCK = text("""
    SELECT s.id, s.organization_id, s.user_id, t.used_at IS NOT NULL AS used, s.ended_at IS NOT NULL AS ended,
           s.expires_at <= now() OR t.created_at <= now() - interval '7 days' AS expired
    FROM refresh_tokens AS t JOIN sessions AS s ON s.id = t.session_id WHERE t.token_hash = :hash FOR UPDATE
""")
_USE = text("UPDATE refresh_tokens SET used_at = now() WHERE token_hash = :hash")
_TOUCH = text("UPDATE sessions SET last_used_at = now() WHERE id = :id")
_LIST = text("""
    SELECT id, method, user_agent, address, created_at, last_used_at, expires_at, id = :current AS current FROM sessions
    WHERE user_id = :user AND ended_at IS NULL AND expires_at > now() ORDER BY created_at DESC, id
""")
_END = text("""
    UPDATE sessions SET ended_at = now(), end_reason = :reason
    WHERE user_id = :user AND ended_at IS NULL AND (CAST(:only AS uuid) IS NULL OR id = :only)
      AND (CAST(:but AS uuid) IS NULL OR id <> :but)
    RETURNING id
""")


@dataclass(frozen=True)
class _Family:
    """A session as a refresh finds it, locked."""

    id: UUID
    organization_id: UUID
    user_id: UUID
    used: bool
    ended: bool
    expired: bool


async def begin(session: AsyncSession, user: User, tokens: Tokens, method: str, origin: Origin) -> TokenResponse:
    """A new session of a user, and its first pair of tokens."""
    session_id = new_id()
    values = {"id": session_id, "organization": user.organization_id, "user": user.id, "method": method}
    await session.execute(_BEGIN, {**values, "user_agent": origin.user_agent, "address": origin.address})
    await audit.append(session, user, "user.signed_in", user.id, {"session_id": str(session_id), "method": method})
    return await _pair(session, tokens, Claims(user.id, user.organization_id, session_id))


async def _pair(session: AsyncSession, tokens: Tokens, claims: Claims) -> TokenResponse:
    refresh_token = new_secret(PREFIX, claims.organization_id)
    values = {"hash": hash_of(refresh_token), "organization": claims.organization_id, "id": claims.session_id}
    await session.execute(_GIVE, values)
    access_token = tokens.issue(claims.user_id, claims.organization_id, claims.session_id)
    return TokenResponse(access_token=access_token, refresh_token=refresh_token)


async def refresh(database: Database, tokens: Tokens, refresh_token: str) -> TokenResponse:
    """The next pair for an unused token; a used one ends its session. Raises Unauthenticated."""
    held = read_secret(PREFIX, refresh_token)
    async with database.transaction(held.organization_id) as session:
        found = (await session.execute(_LOCK, {"hash": held.hash})).mappings().one_or_none()
        pair = await _judged(session, tokens, _Family(**found), held.hash) if found else None
    if pair is None:
        raise Unauthenticated(OVER)
    return pair


async def _judged(session: AsyncSession, tokens: Tokens, family: _Family, used: bytes) -> TokenResponse | None:
    """What a token of this family gets; None, with the family's end written down, for one that came before."""
    user = await session.scalar(select(User).where(User.id == family.user_id))
    if family.ended or user is None:
        return None
    if family.used:
        await end(session, user, "reused", only=family.id)
        return None
    if family.expired or user.status is not UserStatus.ACTIVE:
        return None
    await session.execute(_USE, {"hash": used})
    await session.execute(_TOUCH, {"id": family.id})
    return await _pair(session, tokens, Claims(user.id, user.organization_id, family.id))


async def index(session: AsyncSession, user: User, current: UUID | None) -> list[SessionResponse]:
    """Where a user is signed in, the newest first."""
    rows = await session.execute(_LIST, {"user": user.id, "current": current})
    return [SessionResponse.model_validate({**row, "current": bool(row["current"])}) for row in rows.mappings()]


async def end(
    session: AsyncSession,
    user: User,
    reason: str,
    *,
    by: User | None = None,
    only: UUID | None = None,
    but: UUID | None = None,
) -> int:
    """End a user's sessions, all or `only` one, or all `but` one; answers how many. Access tokens end with them."""
    ended = (await session.execute(_END, {"user": user.id, "reason": reason, "only": only, "but": but})).scalars()
    ids = [str(one) for one in ended]
    if ids:
        await audit.append(session, by or user, "session.ended", user.id, {"reason": reason, "session_ids": ids})
    return len(ids)


async def end_one(session: AsyncSession, user: User, session_id: UUID) -> None:
    """End one of one's own. Raises NotFound."""
    if not await end(session, user, "signed_out", only=session_id):
        raise NotFound("you have no session with this id")
