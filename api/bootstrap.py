"""The first of everything: signing keys, an organization, and the person who administers it."""

from uuid import UUID

import asyncpg
import msgspec

from api.auth.passwords import Passwords
from api.auth.strength import weakness
from api.auth.tokens import ensure_key_file
from api.organizations.slug import slug_of
from api.users.email import checked_email
from wire.ids import new_id
from wire.settings import Settings


class Bootstrapped(msgspec.Struct, frozen=True):
    """Who is there now, and whether this call made them."""

    organization_id: UUID
    user_id: UUID
    email: str
    created: bool


async def bootstrap(
    settings: Settings,
    *,
    organization: str,
    email: str,
    password: str,
    slug: str | None = None,
    role: str = "org_admin",
) -> Bootstrapped:
    """Make signing keys, the organization and its administrator, unless that user is there already.

    Raises ValueError for an address, name or password that cannot be, asyncpg's errors where PostgreSQL refuses.
    """
    try:
        address = checked_email(email)
    except ValueError as error:
        raise ValueError(f"the email address {email!r} is not valid") from error
    if reason := weakness(password, address, organization):
        raise ValueError(reason)
    if settings.signing_keys_file:
        ensure_key_file(settings.signing_keys_file)
    connection = await asyncpg.connect(settings.postgres_url.get_secret_value(), timeout=10)
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE organizations IN SHARE ROW EXCLUSIVE MODE")
            found = await connection.fetchrow("SELECT user_id, organization_id FROM sign_in_of($1)", address)
            if found:
                return Bootstrapped(found["organization_id"], found["user_id"], address, created=False)
            return await _create(connection, organization, slug or slug_of(organization), address, password, role)
    finally:
        await connection.close()


async def _create(
    connection: asyncpg.Connection, organization: str, slug: str, address: str, password: str, role: str
) -> Bootstrapped:
    organization_id, user_id = new_id(), new_id()
    passwords = Passwords()
    await connection.execute("SELECT set_config('app.organization_id', $1, true)", str(organization_id))
    await connection.execute(
        "INSERT INTO organizations (id, name, slug) VALUES ($1, $2, $3)",
        organization_id,
        organization,
        slug,
    )
    await connection.execute(
        "INSERT INTO users (id, email, organization_id, role, password_hash) VALUES ($1, $2, $3, $4, $5)",
        user_id,
        address,
        organization_id,
        role,
        passwords.hash(password),
    )
    passwords.close()
    return Bootstrapped(organization_id, user_id, address, created=True)
