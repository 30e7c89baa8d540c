"""Access logs of Apache and nginx in the combined format: each line is exactly one view, or one refusal.

A view is a GET answered 200 of a page: its path without the query string, whose last segment has no extension, or one
of PAGE_EXTENSIONS. Robots, as the ua-parser library knows them, are views too, and marked.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from uuid import UUID

from ua_parser import parse_device

from ingestion.importers.lines import MAX_LINE_BYTES
from ingestion.importers.refused import Refused
from wire.ids import id_at

PAGE_EXTENSIONS: Final = ("html", "htm", "xhtml", "php")

_LINE: Final = re.compile(
    r'(?P<client>\S+) \S+ .+? \[(?P<time>[^\]]+)\] "(?P<request>(?:[^"\\]|\\.)*)" (?P<status>\d{3}) (?:\d+|-)'
    r' "(?:[^"\\]|\\.)*" "(?P<agent>(?:[^"\\]|\\.)*)"(?: .*)?'
)
_TIME: Final = re.compile(r"(\d\d)/([A-Z][a-z][a-z])/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_HOST: Final = re.compile(r"https?://[^/]*", re.IGNORECASE)

WHY: Final = {
    "malformed_line": "the line is not in the combined log format",
    "malformed_request": "the request is not of the form METHOD TARGET VERSION",
    "method_not_get": "only GET is a view",
    "status_not_200": "only an answer 200 is a view",
    "not_a_page": f"the path has an extension other than {', '.join(PAGE_EXTENSIONS)}",
}


@dataclass(frozen=True, slots=True)
class View:
    """A page was asked for and answered.

    `actor` is a hash of the client's address and user agent: neither is kept, though who knows both can find the hash.
    """

    id: UUID
    path: str
    actor: str
    robot: bool


def parse(lines: Iterable[bytes], source: str) -> Iterator[View | Refused]:
    """Lines without their ends -> one View or Refused each, in order.

    An id is a function of the line's own time, `source`, the line's number and its bytes: the same line at the same
    place is the same event for ever, and equal lines at two places are two events.
    """
    for number, line in enumerate(lines, start=1):
        yield _parse_line(line, source, number)


def _parse_line(line: bytes, source: str, number: int) -> View | Refused:
    text = line.decode(errors="backslashreplace")
    match = _LINE.fullmatch(text) if len(line) <= MAX_LINE_BYTES and "\0" not in text else None
    at_ms = _unix_ms(match["time"]) if match else None
    id_ = id_at(at_ms or 0, "access-log", source, str(number), line)
    if match is None or at_ms is None:
        reason, path = "malformed_line", ""
    else:
        reason, path = _page(match["request"], match["status"])
    if match is None or reason:
        return Refused(id_, source, number, reason, WHY[reason], text)
    return View(id_, path, _actor(match["client"], match["agent"]), is_robot(match["agent"]))


def _page(request: str, status: str) -> tuple[str, str]:
    """Why a request is not a view, or nothing and its page."""
    words = request.split(" ")
    if len(words) != 3:
        return "malformed_request", ""
    method, target, _ = words
    path = _HOST.sub("", target, count=1).partition("?")[0]
    _, dot, extension = path.rpartition("/")[2].rpartition(".")
    for reason, refused in (
        ("method_not_get", method != "GET"),
        ("status_not_200", status != "200"),
        ("malformed_request", not path.startswith("/")),
        ("not_a_page", dot and extension.lower() not in PAGE_EXTENSIONS),
    ):
        if refused:
            return reason, ""
    return "", path


@lru_cache(maxsize=4096)
def _unix_ms(text: str) -> int | None:
    """17/May/2015:10:05:03 +0000 -> milliseconds since 1970, or None where it is no such time."""
    match = _TIME.fullmatch(text)
    if match is None or match[2] not in _MONTHS:
        return None
    day, _, year, hour, minute, second, sign, *_ = match.groups()
    east = timedelta(hours=int(match[8]), minutes=int(match[9]))
    try:
        local = datetime(
            int(year), 1 + _MONTHS.index(match[2]), int(day), int(hour), int(minute), int(second), tzinfo=UTC
        )
        unix_s = round((local - east if sign == "+" else local + east).timestamp())
    except (ValueError, OverflowError):
        return None
    return unix_s * 1000 if unix_s >= 0 else None


@lru_cache(maxsize=16_384)
def is_robot(agent: str) -> bool:
    """Whether a user agent says that it is a robot: ua-parser's device family "Spider"."""
    device = parse_device(agent)
    return device is not None and device.family == "Spider"


def _actor(client: str, agent: str) -> str:
    digest = hashlib.blake2b(digest_size=16, person=b"tallywire actor")
    digest.update(f"{client}\n{agent}".encode())
    return digest.hexdigest()
