"""docs/faults.md: what was survived, how often. Each run adds to what stands there."""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tests.faults.trial import Fault

PAGE: Final = Path(__file__).parents[2] / "docs" / "faults.md"
KAFKAS: Final = ("tansu", "apache")
AT_ONCE: Final = {2: "two at once", 3: "three at once"}
"""How many -> the name under which such trials are counted, besides the faults themselves."""
_ROW: Final = re.compile(
    r"^\| (?P<name>[\w ]+?) \|.*\| (?P<tansu>\d+|never) \| (?P<apache>\d+|never) \|$", re.MULTILINE
)
_BEGIN: Final = "| fault | what goes wrong | what holds besides | Tansu | Apache |\n|---|---|---|---|---|\n"


def survived(page: str) -> dict[str, Counter[str]]:
    """Kind of Kafka -> fault -> how often it was survived, as a page tells it."""
    found: dict[str, Counter[str]] = {kafka: Counter() for kafka in KAFKAS}
    for row in _ROW.finditer(page):
        for kafka in KAFKAS:
            found[kafka][row["name"]] = int(row[kafka]) if row[kafka].isdigit() else 0
    return found


def with_more(page: str, faults: Iterable[Fault], kafka: str, more: Counter[str]) -> str:
    """The page, with so many more of each fault survived."""
    counts = survived(page)
    counts[kafka] += more
    rows = [_row(fault.name, fault.does, fault.holds, fault.kafkas, counts) for fault in faults]
    rows += [
        _row(name, "of these, any that do not contradict each other", "", KAFKAS, counts) for name in AT_ONCE.values()
    ]
    start = page.index(_BEGIN) + len(_BEGIN)
    rest = page[start:]
    end = re.search(r"^(?!\|)", rest, re.MULTILINE)
    return page[:start] + "".join(rows) + (rest[end.start() :] if end else "")


def _row(name: str, does: str, holds: str, kafkas: tuple[str, ...], counts: dict[str, Counter[str]]) -> str:
    numbers = [str(counts[kafka][name]) if kafka in kafkas else "never" for kafka in KAFKAS]
    return f"| {name} | {does} | {holds} | {' | '.join(numbers)} |\n"
