"""Codes: made and compared; pure, the time is passed in."""

import hmac
import secrets
from collections.abc import Callable
from typing import Final

import pyotp

from api.auth.secrets import hash_of

STEP_S: Final = 30
DRIFT: Final = 1
"""steps that a clock may be off, either way"""
RECOVERY_CODES: Final = 10
ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"
ISSUER: Final = "Tallywire"


def uri_of(secret: str, email: str) -> str:
    """What an authenticator reads, mostly as a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=ISSUER)


def step_of(secret: str, code: str, now: float, last_step: int) -> int | None:
    """The time step that a code is of; None for a wrong one, and for one of `last_step` or before: a replay."""
    totp, current = pyotp.TOTP(secret, interval=STEP_S), int(now) // STEP_S
    right = [step for step in range(current - DRIFT, current + DRIFT + 1) if _same(totp.generate_otp(step), code)]
    return next((step for step in right if step > last_step), None)


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode(errors="replace"))


def new_recovery_codes(choice: Callable[[str], str] = secrets.choice) -> list[str]:
    """Ten codes of 79 bits: `abcd-efgh-jkmn-pqrs`."""
    return ["-".join("".join(choice(ALPHABET) for _ in range(4)) for _ in range(4)) for _ in range(RECOVERY_CODES)]


def recovery_hash(code: str) -> bytes:
    """What is kept of a recovery code, however it was typed."""
    return hash_of("".join(character for character in code.lower() if character in ALPHABET))
