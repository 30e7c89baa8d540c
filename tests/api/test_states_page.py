"""docs/states.md says what the code's table says."""

from pathlib import Path

from api.auth.rules import ROLES
from api.content.states import TRANSITIONS

PAGE = Path(__file__).parents[2] / "docs" / "states.md"


def test_the_page_draws_every_line_of_the_table_and_no_other() -> None:
    drawn = {line.strip() for line in PAGE.read_text().splitlines() if "-->" in line and "[*]" not in line}
    assert drawn == {
        f"{status.value} --> {line.to.value}: {action.value}"
        for action, line in TRANSITIONS.items()
        for status in line.came_from
    }


def test_the_page_names_the_roles_of_every_action() -> None:
    rows = {line for line in PAGE.read_text().splitlines() if line.startswith("| `")}
    assert rows == {
        f"| `{action.value}` | {', '.join(sorted(role.value for role in ROLES[line.permission]))} |"
        for action, line in TRANSITIONS.items()
    }
