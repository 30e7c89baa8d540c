"""The roles that the URLs name: made, given their passwords, refused where row-level security would not hold."""

import base64
import hashlib
import hmac
import os
from urllib.parse import unquote, urlsplit

import asyncpg
from pydantic import SecretStr


def role_of(url: SecretStr) -> str:
    """The role that a URL signs in as. Raises ValueError where it names none."""
    name = unquote(urlsplit(url.get_secret_value()).username or "")
    if not name:
        raise ValueError("a PostgreSQL URL names no role; write postgresql://ROLE:PASSWORD@HOST:PORT/DATABASE")
    return name


async def ensure_role(owner: asyncpg.Connection, url: SecretStr) -> None:
    """Make `url` a way in, for a role that owns nothing and that row-level security confines.

    Raises ValueError for a role that is the owner, a superuser or exempt from row-level security.
    """
    name = role_of(url)
    if not await _opens(url):
        await _create_or_alter(owner, name, unquote(urlsplit(url.get_secret_value()).password or ""))
    unconfined = await owner.fetchval(
        "SELECT rolsuper OR rolbypassrls OR rolname = current_user FROM pg_roles WHERE rolname = $1", name
    )
    if unconfined:
        raise ValueError(f"role {name} is not confined by row-level security; name another role in its URL")


async def _opens(url: SecretStr) -> bool:
    try:
        connection = await asyncpg.connect(url.get_secret_value(), timeout=5)
    except (asyncpg.PostgresError, OSError, TimeoutError):
        return False
    await connection.close()
    return True


async def _create_or_alter(owner: asyncpg.Connection, name: str, password: str) -> None:
    exists = await owner.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", name)
    verb = "ALTER" if exists else "CREATE"
    quoted = await owner.fetchval("SELECT quote_ident($1)", name)
    verifier = await owner.fetchval("SELECT quote_literal($1)", scram_verifier(password, os.urandom(16)))
    await owner.execute(f"{verb} ROLE {quoted} LOGIN" + (f" PASSWORD {verifier}" if password else ""))


def scram_verifier(password: str, salt: bytes, iterations: int = 4096) -> str:
    """What PostgreSQL stores of an ASCII password (RFC 5803), so that the password itself never is in a statement."""
    if not password.isascii():
        raise ValueError("a role's password must be ASCII")
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    text = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${iterations}:{text[0]}${text[1]}:{text[2]}"
