"""docs/problems.md has a part for each kind of problem that the code can answer with, and no other."""

from collections.abc import Iterator
from pathlib import Path

import api.errors
import api.handlers
import ingestion.problems

PAGE = Path(__file__).parents[2] / "docs" / "problems.md"


def kinds(of: type[api.errors.Refusal]) -> Iterator[str]:
    for one in of.__subclasses__():
        yield one.kind
        yield from kinds(one)


def test_each_kind_has_its_part() -> None:
    parts = [line.removeprefix("## ").strip("`") for line in PAGE.read_text().splitlines() if line.startswith("## ")]
    known = {*kinds(api.errors.Refusal), *api.handlers.KINDS.values(), *ingestion.problems.KINDS.values()}
    assert sorted(parts) == sorted(known)
