"""Secrets that are handed out: links, refresh tokens, API keys. Shown once, kept as a SHA-256.

In front of its 256 random bits a secret carries its organization's id, so that it is looked for inside that
organization, and no query ever has to look across. A forged id finds nothing.
"""

import base64
import binascii
import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from api.errors import Unauthenticated

RANDOM_BYTES = 32
ID_BYTES = 16


@dataclass(frozen=True)
class Held:
    """Where a secret is to be looked for, and what is kept of it."""

    organization_id: UUID
    hash: bytes


def hash_of(secret: str) -> bytes:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode()).digest()


def new_secret(prefix: str, organization_id: UUID, random: Callable[[int], bytes] = secrets.token_bytes) -> str:
    """`twp_` and 64 url-safe characters."""
    return prefix + base64.urlsafe_b64encode(organization_id.bytes + random(RANDOM_BYTES)).decode()


def read_secret(prefix: str, secret: str) -> Held:
    """Where to look for a secret. Raises Unauthenticated for what cannot be one, as where it was not copied whole."""
    try:
        whole = base64.b64decode(secret.removeprefix(prefix).encode("ascii"), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        whole = b""
    if not secret.startswith(prefix) or len(whole) != ID_BYTES + RANDOM_BYTES:
        long = len(new_secret(prefix, UUID(int=0)))
        raise Unauthenticated(
            f"this cannot be right: it begins with {prefix} and has {long} characters; was all of it copied? Of a link "
            "it is what stands after the #"
        )
    return Held(UUID(bytes=whole[:ID_BYTES]), hash_of(secret))
