"""Which passwords are accepted: long enough, and not one of the first that a guesser would try."""

from typing import Final

from zxcvbn import zxcvbn

SHORTEST: Final = 12
LONGEST: Final = 1024
LEAST_SCORE: Final = 3
"""zxcvbn's scale from 0 to 4: at least 10^8 guesses."""
LOOKED_AT: Final = 72
"""zxcvbn's time grows with the square of the length."""


def weakness(password: str, *known: str) -> str | None:
    """Why a password is not accepted, None where it is. `known` is what a guesser knows of its owner."""
    if len(password) < SHORTEST:
        return f"the password needs at least {SHORTEST} characters"
    if len(password) > LONGEST:
        return f"the password may have at most {LONGEST} characters"
    found = zxcvbn(password[:LOOKED_AT], user_inputs=["tallywire", *known], max_length=LOOKED_AT)
    if found["score"] >= LEAST_SCORE:
        return None
    return f"the password is too easy to guess. {found['feedback']['warning'] or 'Add more words.'}"
