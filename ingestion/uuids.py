"""Many UUIDs at once from their text: as strict as one at a time, at a tenth of the cost."""

import re
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]

CANONICAL: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_MARKS: Final = (8, 13, 18, 23, 36)
_MARK: Final = np.frombuffer(b"----\n", np.uint8)
_NIL: Final = "00000000-0000-0000-0000-000000000000"


def parse(texts: Sequence[str]) -> tuple[Bytes, list[int]]:
    """Texts -> (n, 16) bytes, and the places of those that are not 8-4-4-4-12 hex digits, whose bytes are zeros.

    Either case of letters is taken, as RFC 9562 asks; braces, `urn:uuid:`, spaces and missing dashes are not.
    """
    parsed = _parse_all(texts)
    if parsed is not None:
        return parsed, []
    bad = [place for place, text in enumerate(texts) if not CANONICAL.fullmatch(text)]
    patched = list(texts)
    for place in bad:
        patched[place] = _NIL
    parsed = _parse_all(patched)
    assert parsed is not None, "the two checks disagree on what a UUID is"
    return parsed, bad


def _parse_all(texts: Sequence[str]) -> Bytes | None:
    """The bytes of all, or None where any text is bad.

    Each is written with a line end after it, so that all have 36 characters where, and only where, every 37th is one.
    With the dashes in their places as well, what is left is 32 digits each, and none is one that `fromhex` skips.
    """
    try:
        encoded = "\n".join([*texts, ""]).encode("ascii")
    except UnicodeEncodeError:
        return None
    if len(encoded) != 37 * len(texts):
        return None
    rows = np.frombuffer(encoded, np.uint8).reshape(-1, 37)
    if not (rows[:, _MARKS] == _MARK).all():
        return None
    try:
        digits = bytes.fromhex(encoded.translate(None, b"-\n").decode())
    except ValueError:
        return None
    if len(digits) != 16 * len(texts):
        return None
    return np.frombuffer(digits, np.uint8).reshape(-1, 16)
