"""docs/permissions.md says what the code's table says."""

from pathlib import Path

from api.auth.permissions_page import page
from api.auth.rules import ROLES, VISITING, Permission

PAGE = Path(__file__).parents[2] / "docs" / "permissions.md"


def test_the_page_is_the_one_that_the_code_makes() -> None:
    assert PAGE.read_text() == page(), "run: python -m api permissions > docs/permissions.md"


def test_every_permission_is_somebody_s_and_no_visitor_has_what_nobody_has() -> None:
    assert ROLES.keys() == set(Permission)
    assert all(ROLES.values())
    assert set(Permission) >= VISITING
