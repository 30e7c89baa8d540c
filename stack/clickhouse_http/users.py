"""Who may ask: chDB has no users of its own, so they live here."""

import hmac
import json
from base64 import b64decode
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from stack.clickhouse_http.errors import AUTHENTICATION_FAILED, refusal


@dataclass(frozen=True)
class User:
    """A user; a read-only one may neither write nor reach outside the database."""

    password: str
    readonly: bool = False


def read(file: Path) -> dict[str, User]:
    """The users' file -> users by name."""
    return {name: User(**fields) for name, fields in json.loads(file.read_text()).items()}


def authenticate(request: web.Request, users: dict[str, User]) -> User:
    """The user that the request names, by basic auth, X-ClickHouse headers or parameters.

    Raises ClickHouseError 516 for a wrong name or password; it does not say which.
    """
    name, password = _credentials(request)
    user = users.get(name)
    if user is None or not hmac.compare_digest(user.password.encode(), password.encode()):
        raise refusal(AUTHENTICATION_FAILED, "AUTHENTICATION_FAILED", f"{name}: Authentication failed.")
    return user


def _credentials(request: web.Request) -> tuple[str, str]:
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            name, _, password = b64decode(value, validate=True).decode().partition(":")
        except ValueError as error:
            raise refusal(AUTHENTICATION_FAILED, "AUTHENTICATION_FAILED", "Unreadable credentials.") from error
        return name, password
    name = request.query.get("user") or request.headers.get("X-ClickHouse-User") or "default"
    return name, request.query.get("password") or request.headers.get("X-ClickHouse-Key") or ""
