"""Second factors: enrol, confirm, check, remove."""

import time
from collections.abc import Callable

import pyotp
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from api import audit
from api.auth.vault import Vault
from api.errors import Conflict, NotFound, SecondFactorRequired, Unauthenticated
from api.second_factors.codes import new_recovery_codes, recovery_hash, step_of, uri_of
from api.second_factors.schemas import EnrolResponse
from api.users.models import User

_FIND = text("SELECT sealed_secret, confirmed_at, last_step FROM second_factors WHERE user_id = :user FOR UPDATE")
_ENROL = text("""
    INSERT INTO second_factors (user_id, organization_id, sealed_secret) VALUES (:user, :organization, :sealed)
    ON CONFLICT (user_id) DO UPDATE SET sealed_secret = EXCLUDED.sealed_secret, last_step = 0, created_at = now()
    WHERE second_factors.confirmed_at IS NULL RETURNING true
""")
_CONFIRM = text("""
    UPDATE second_factors SET confirmed_at = now(), last_step = :step, recovery_hashes = :hashes WHERE user_id = :user
""")
_STEP = text("UPDATE second_factors SET last_step = :step WHERE user_id = :user")
_RECOVER = text("""
    UPDATE second_factors SET recovery_hashes = array_remove(recovery_hashes, :hash)
    WHERE user_id = :user AND :hash = ANY (recovery_hashes) RETURNING cardinality(recovery_hashes)
""")
_REMOVE = text("DELETE FROM second_factors WHERE user_id = :user RETURNING true")
WRONG = "the code is not right, or it was used before"


async def enrol(session: AsyncSession, user: User, vault: Vault) -> EnrolResponse:
    """A new secret, not yet in force. Raises Conflict where one is in force already."""
    secret = pyotp.random_base32()
    values = {"user": user.id, "organization": user.organization_id, "sealed": vault.seal(secret)}
    if await session.scalar(_ENROL, values) is None:
        raise Conflict("there is a second factor already: remove it first")
    return EnrolResponse(secret=secret, otpauth_uri=uri_of(secret, user.email))


async def confirm(
    session: AsyncSession, user: User, vault: Vault, code: str, now: Callable[[], float] = time.time
) -> list[str]:
    """Put the secret in force, and answer the recovery codes. Raises Conflict, Unauthenticated."""
    found = (await session.execute(_FIND, {"user": user.id})).one_or_none()
    if found is None or found.confirmed_at is not None:
        raise Conflict("there is no second factor that waits to be confirmed: enrol first")
    step = step_of(vault.open(found.sealed_secret), code, now(), 0)
    if step is None:
        raise Unauthenticated(WRONG)
    codes = new_recovery_codes()
    await session.execute(_CONFIRM, {"user": user.id, "step": step, "hashes": [recovery_hash(one) for one in codes]})
    await audit.append(session, user, "second_factor.enabled", user.id, {})
    return codes


async def check(
    session: AsyncSession, user: User, vault: Vault, code: str | None, now: Callable[[], float] = time.time
) -> None:
    """Spend a code where the user has a second factor. Raises SecondFactorRequired, Unauthenticated."""
    found = (await session.execute(_FIND, {"user": user.id})).one_or_none()
    if found is None or found.confirmed_at is None:
        return
    if not code:
        raise SecondFactorRequired("the code of the second factor is missing: send it as `code`")
    step = step_of(vault.open(found.sealed_secret), code, now(), found.last_step)
    if step is not None:
        await session.execute(_STEP, {"user": user.id, "step": step})
        return
    left = await session.scalar(_RECOVER, {"user": user.id, "hash": recovery_hash(code)})
    if left is None:
        raise Unauthenticated(WRONG)
    await audit.append(session, user, "second_factor.recovery_code_used", user.id, {"left": left})


async def remove(session: AsyncSession, user: User, by: User) -> None:
    """Take a second factor away. Raises NotFound."""
    if await session.scalar(_REMOVE, {"user": user.id}) is None:
        raise NotFound("there is no second factor")
    await audit.append(session, by, "second_factor.removed", user.id, {})
