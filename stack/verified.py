"""What the last comparison of everything found, in a file: written by the service, shown by `tallywire status`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

RESULT: Final = "verify.json"


class Result(msgspec.Struct, kw_only=True):
    """What was found at a time (unix seconds); `failed` says why nothing could be."""

    at: float
    figures: int = 0
    events: int = 0
    differences: int = 0
    waiting: int = 0
    first: str = ""
    failed: str = ""

    def __str__(self) -> str:
        """One line for people."""
        if self.failed:
            return f"nothing could be compared: {self.failed}"
        if self.differences:
            return f"figures differ, `tallywire verify` says which; the first: {self.first}"
        compared = f"{self.figures:,} figures and {self.events:,} events of the log agreed"
        return f"{compared}; {self.waiting:,} messages waited to be counted" if self.waiting else compared


def write(folder: Path, result: Result) -> None:
    """Put it where `read` finds it."""
    new = folder / f"{RESULT}.new"
    new.write_bytes(msgspec.json.encode(result))
    new.rename(folder / RESULT)


def read(folder: Path) -> Result | None:
    """The last one; None where there was none yet, or where it cannot be read."""
    try:
        return msgspec.json.decode((folder / RESULT).read_bytes(), type=Result)
    except (OSError, msgspec.DecodeError):
        return None


def line(result: Result | None) -> str:
    """When and what, for people."""
    if result is None:
        return "not compared yet"
    return f"{result}, at {datetime.fromtimestamp(result.at, UTC):%Y-%m-%d %H:%M} UTC"
