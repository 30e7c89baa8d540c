"""docs/problems.md has every type of problem, and no other."""

import re
from collections.abc import Iterator
from pathlib import Path

import api
from api.errors import Refusal
from api.handlers import KINDS

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "problems.md"


def kinds(refusal: type[Refusal]) -> Iterator[tuple[int, str]]:
    for one in refusal.__subclasses__():
        yield one.status, one.kind
        yield from kinds(one)


def test_every_type_that_the_code_has_is_a_heading_with_its_status_below() -> None:
    written = re.findall(r"^## `([a-z-]+)`\n\n(\d{3})\. ", PAGE.read_text(), re.MULTILINE)
    sources = [file.read_text() for file in Path(api.__file__).parent.rglob("*.py")]
    named = {(500, kind) for text in sources for kind in re.findall(r'\b500, .*?kind="([a-z-]+)"', text)}
    assert named
    assert {(int(status), kind) for kind, status in written} == set(kinds(Refusal)) | set(KINDS.items()) | named


def test_every_link_of_the_pages_on_people_leads_somewhere() -> None:
    for page in ("problems.md", "signing-in.md", "permissions.md"):
        for target, _, anchor in re.findall(r"\]\(([a-z.-]+\.md)(#([a-z-]+))?\)", (DOCS / page).read_text()):
            headings = re.findall(r"^#+ (.+)$", (DOCS / target).read_text(), re.MULTILINE)
            anchors = {heading.lower().replace(" ", "-").replace("`", "") for heading in headings}
            assert not anchor or anchor in anchors, f"{page} -> {target}#{anchor}"
