"""What is to be counted again."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

BEGINNING: Final = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True)
class Selection:
    """These contents, or all where none is named; their minutes from `since` on."""

    contents: tuple[UUID, ...] = ()
    since: datetime = BEGINNING

    @property
    def is_everything(self) -> bool:
        """Whether nothing is left out."""
        return not self.contents and self.since == BEGINNING

    @property
    def parameters(self) -> dict[str, Any]:
        """What the statements ask for."""
        return {"contents": list(self.contents), "since": self.since}
