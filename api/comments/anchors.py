"""Where the words that a comment is about are now. Pure; places are counted in characters."""

from typing import NamedTuple


class Place(NamedTuple):
    """text[first:last]."""

    first: int
    last: int


def shared(one: str, other: str) -> int:
    """How many characters two texts have in common from their beginning."""
    least, most = 0, min(len(one), len(other))
    while least < most:
        middle = (least + most + 1) // 2
        least, most = (middle, most) if one[:middle] == other[:middle] else (least, middle - 1)
    return least


def moved(was: Place, old: str, new: str) -> Place | None:
    """Where `old[was]` is in the new text; None where these words are gone.

    Words outside of what was edited are followed exactly. Of several like those that were edited, the nearest is taken.
    """
    quote = old[was.first : was.last]
    before = shared(old, new)
    after = min(shared(old[::-1], new[::-1]), min(len(old), len(new)) - before)
    if was.last <= before:
        return was
    if was.first >= len(old) - after:
        shift = len(new) - len(old)
        return Place(was.first + shift, was.last + shift)
    found = [at for at in (new.rfind(quote, 0, was.last), new.find(quote, was.first)) if at >= 0]
    if not found:
        return None
    first = min(found, key=lambda at: (abs(at - was.first), at))
    return Place(first, first + len(quote))
