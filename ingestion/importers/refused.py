"""What an importer refuses, in the form that the collector takes."""

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

SAMPLE_CHARACTERS: Final = 500


@dataclass(frozen=True, slots=True)
class Refused:
    """A line or row that is not what the importer looks for."""

    id: UUID
    source: str
    place: int
    reason: str
    detail: str
    sample: str

    def told(self) -> dict[str, Any]:
        """As POST /v1/rejections takes it."""
        return {
            "id": str(self.id),
            "source": self.source,
            "place": self.place,
            "reason": self.reason,
            "detail": self.detail,
            "sample": self.sample[:SAMPLE_CHARACTERS],
        }
