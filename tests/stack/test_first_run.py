"""What a new system is given, and when it is given anew."""

import pytest

from stack.first_run import LocalKey, still_valid

KEY = LocalKey(id="1", key="twk_x")


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ([{"id": "1", "revoked_at": None}], True),
        ([{"id": "1", "revoked_at": "2026-11-22T10:00:00Z"}], False),
        ([{"id": "2", "revoked_at": None}], False),
        ([], False),
    ],
)
def test_a_local_key_that_was_revoked_or_is_unknown_is_made_anew(
    listed: list[dict[str, object]], expected: bool
) -> None:
    assert still_valid(KEY, listed) is expected
