"""ClickHouse's errors: a code, a message, and the HTTP status that a server would answer."""

import re
from typing import Final

STATUSES: Final = {
    **dict.fromkeys(
        (6, 26, 27, 33, 36, 38, 41, 42, 43, 44, 46, 47, 48, 50, 53, 62, 69, 70, 72, 115, 117, 130, 349), 400
    ),
    **dict.fromkeys((10, 16, 60, 81), 404),
    **dict.fromkeys((192, 193, 497, 516), 403),
    159: 408,
    202: 503,
}
"""code -> status; every other code is a 500, as on a server."""

BAD_ARGUMENTS: Final = 36
NOT_IMPLEMENTED: Final = 48
UNKNOWN_SETTING: Final = 115
READONLY: Final = 164
SESSION_IS_LOCKED: Final = 373
AUTHENTICATION_FAILED: Final = 516
UNKNOWN: Final = 1001

_MESSAGE = re.compile(r"Code: (\d+)\. DB::Exception: .*", re.DOTALL)


class ClickHouseError(Exception):
    """An error as ClickHouse words it: `Code: 60. DB::Exception: ...`."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code

    @property
    def status(self) -> int:
        """The HTTP status for this code."""
        return STATUSES.get(self.code, 500)


def refusal(code: int, name: str, detail: str) -> ClickHouseError:
    """An error of our own, in ClickHouse's words."""
    return ClickHouseError(code, f"Code: {code}. DB::Exception: {detail} ({name})\n")


def from_engine(error: Exception) -> ClickHouseError:
    """What chDB raised -> the error that it carries."""
    found = _MESSAGE.search(str(error))
    if found is None:
        return ClickHouseError(UNKNOWN, f"Code: {UNKNOWN}. DB::Exception: {error}\n")
    return ClickHouseError(int(found[1]), found[0].rstrip() + "\n")
