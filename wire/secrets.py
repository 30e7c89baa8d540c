"""Texts of others that are kept where people read them: what looks like a secret in them is not."""

import re
from typing import Final

BLOT: Final = "***"
LONGEST: Final = 200
"""Characters: a secret that begins within a text is known as one where so many follow."""
_SIGNS: Final = (
    *("twk_", "twp_", "twr_", "tws_", "twi_", "eyj", "bearer", "basic", "key"),
    *("authorization", "cookie", "passw", "secret", "token"),
)
_SHAPES: Final = re.compile(
    r"tw[kprsi]_[A-Za-z0-9_-]{16,}={0,2}"
    r"|\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"
    r"|(?i:\b(?:bearer|basic)\s+)[A-Za-z0-9+/=._~-]{8,}"
)
"""Our own keys, tokens and links; JSON Web Tokens; what stands in an Authorization header."""
_NAMED: Final = re.compile(
    r"""((?:authorization|cookie|passw(?:or)?d|secret|token|(?:api|write|private)[_-]?key)[\w-]{0,20}["']?\s?[:=][\s\[{]{0,9})"""
    r"""("(?:[^"\\]|\\.)*"?|'[^']*'?|[^\s"',&;}\]]+)""",
    re.IGNORECASE,
)
"""A name that is a secret's, and its value: in JSON, a query string, a header, a shell's variable."""


def without_secrets(text: str) -> str:
    """The text with *** for each value that has a secret's shape or a secret's name."""
    lowered = text.lower()
    if not any(sign in lowered for sign in _SIGNS):
        return text
    return _NAMED.sub(rf"\1{BLOT}", _SHAPES.sub(BLOT, text))
