"""How many names of platforms an organization may make up: each is a row of a piece for good, and a handful is usual.

A protection and not a figure: a collector knows what came through itself, since it started and within a day.
"""

from collections.abc import Set
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from ingestion.parse import Why
from wire.events import PLATFORM

MOST: Final = 1_000
DAY_MS: Final = 24 * 3600 * 1000
MAX_NAMES: Final = 1_000_000
"""Of all organizations; some 100 MB. With more, all are forgotten."""

TOO_MANY_PLATFORMS: Final = Why(
    "too_many_platforms",
    f"this organization has named {MOST} other platforms within a day; send one of those,"
    " and put what varies (an address, a campaign) into attributes",
)
_NONE: Final[frozenset[str]] = frozenset()


@dataclass(slots=True)
class Platforms:
    """The names that each organization has sent, forgotten a day after the first."""

    _known: dict[UUID, set[str]] = field(default_factory=dict)
    _names: int = 0
    _since_ms: int = 0

    def too_many(self, organization_id: UUID, names: Set[str], now_ms: int) -> Set[str]:
        """Those of these names that are one too many; the others are known from now on. Names that are none are let
        through: what is wrong with them is said elsewhere."""
        if now_ms >= self._since_ms + DAY_MS or self._names > MAX_NAMES:
            self._known, self._names, self._since_ms = {}, 0, now_ms
        known = self._known.get(organization_id, _NONE)
        if names <= known:
            return _NONE
        fresh = sorted(name for name in names - known if PLATFORM.match(name))
        room = MOST - len(known)
        self._known.setdefault(organization_id, set()).update(fresh[:room])
        self._names += len(fresh[:room])
        return frozenset(fresh[room:])
