"""Access logs: each line is exactly one view or one refusal, and its id is a function of what it is."""

import csv
import gzip
import io
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.importers.access_log import View, is_robot, parse
from ingestion.importers.lines import MAX_LINE_BYTES, read_lines, source_name
from ingestion.importers.refused import Refused
from wire.ids import time_of

LOG = Path(__file__).parents[3] / "shared" / "data" / "access.log"
GOOGLE = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:27.0) Gecko/20100101 Firefox/27.0"


def line(request: str = "GET /a HTTP/1.1", status: int = 200, agent: str = FIREFOX, **more: str) -> bytes:
    at = more.get("time", "17/May/2015:10:05:03 +0000")
    return f'{more.get("client", "83.149.9.216")} - - [{at}] "{request}" {status} 203 "-" "{agent}"'.encode()


def only(text: bytes, source: str = "a.log") -> View | Refused:
    (entry,) = parse([text], source)
    return entry


def independently_counted(file: Path) -> tuple[Counter[str], int]:
    """Views by page, and the number of lines, by Python's csv module and the rule's own words."""
    views: Counter[str] = Counter()
    count = 0
    for text in file.read_text(encoding="utf-8").splitlines():
        count += 1
        words = next(csv.reader([text], delimiter=" "))
        request = words[5].split(" ") if len(words) > 9 else []
        closed = text.endswith('"')
        if closed and len(request) == 3 and request[0] == "GET" and words[6] == "200":
            page = request[1].split("?")[0]
            last = page.split("/")[-1]
            if "." not in last or last.split(".")[-1] in ("html", "htm", "xhtml", "php"):
                views[page] += 1
    return views, count


@pytest.mark.skipif(not LOG.exists(), reason="the shared data are not beside this checkout")
def test_a_real_log_gives_what_an_independent_count_gives() -> None:
    with LOG.open("rb") as raw:
        entries = list(parse(read_lines(raw), "access.log"))
    views = [entry for entry in entries if isinstance(entry, View)]
    expected, count = independently_counted(LOG)
    assert Counter(view.path for view in views) == expected
    assert (len(entries), len(views), len(expected)) == (count, 3720, 693)
    refused = Counter(entry.reason for entry in entries if isinstance(entry, Refused))
    assert refused == {"malformed_line": 1, "method_not_get": 48, "status_not_200": 861, "not_a_page": 5370}
    assert len({entry.id for entry in entries}) == count
    assert 500 < sum(view.robot for view in views) < 2000


PAGES = {
    "/": "/",
    "/a": "/a",
    "/a/?q=x.png": "/a/",
    "/a.HTML?x": "/a.HTML",
    "/a.htm": "/a.htm",
    "/a.xhtml": "/a.xhtml",
    "/x.y/a.php": "/x.y/a.php",
    "/v1.2/notes": "/v1.2/notes",
    "/a%20b": "/a%20b",
    "http://example.com/a?b": "/a",
}


@pytest.mark.parametrize("target", PAGES)
def test_a_page_is_a_path_without_its_query_string(target: str) -> None:
    entry = only(line(f"GET {target} HTTP/1.1"))
    assert isinstance(entry, View)
    assert entry.path == PAGES[target]


REFUSED = [
    (b"", "malformed_line"),
    (b"GET / HTTP/1.1", "malformed_line"),
    (line()[:-1], "malformed_line"),
    (line(time="17/Mai/2015:10:05:03 +0000"), "malformed_line"),
    (line(time="31/Feb/2015:10:05:03 +0000"), "malformed_line"),
    (line(time="17/May/1969:10:05:03 +0000"), "malformed_line"),
    (line("GET /a\0 HTTP/1.1"), "malformed_line"),
    (line("GET /" + "a" * MAX_LINE_BYTES + " HTTP/1.1"), "malformed_line"),
    (line("-"), "malformed_request"),
    (line("GET /a b HTTP/1.1"), "malformed_request"),
    (line("GET /"), "malformed_request"),
    (line("GET * HTTP/1.1"), "malformed_request"),
    (line(r"\x16\x03\x01"), "malformed_request"),
    (line("POST /a HTTP/1.1"), "method_not_get"),
    (line("get /a HTTP/1.1"), "method_not_get"),
    (line(status=404), "status_not_200"),
    (line(status=206), "status_not_200"),
    (line("GET /a.png HTTP/1.1"), "not_a_page"),
    (line("GET /feed.xml?a=/b HTTP/1.1"), "not_a_page"),
    (line("GET /.htaccess HTTP/1.1"), "not_a_page"),
    (line("GET /a. HTTP/1.1"), "not_a_page"),
]


@pytest.mark.parametrize(("text", "reason"), REFUSED)
def test_what_is_no_view_says_why(text: bytes, reason: str) -> None:
    entry = only(text)
    assert isinstance(entry, Refused)
    assert (entry.reason, entry.place) == (reason, 1)
    assert entry.detail
    assert len(entry.told()["sample"]) <= 500


def test_fields_after_the_agent_and_quotes_within_fields_are_read() -> None:
    entry = only(line(r"GET /say\"hi\" HTTP/1.1", agent=r"A \"quoted\" one") + b' "10.0.0.1" 0.003')
    assert isinstance(entry, View)
    assert entry.path == r"/say\"hi\""


def test_an_id_carries_the_line_s_own_time_in_any_zone() -> None:
    east = only(line(time="17/May/2015:12:05:03 +0200"))
    west = only(line(time="17/May/2015:05:35:03 -0430"))
    assert time_of(east.id) == time_of(west.id) == datetime(2015, 5, 17, 10, 5, 3, tzinfo=UTC)


def test_equal_lines_are_different_events_and_the_same_line_again_is_the_same() -> None:
    twice = [line(), line()]
    once, again = list(parse(twice, "a.log")), list(parse([*twice, line(), b"grown"], "a.log"))
    assert once[0].id != once[1].id
    assert [entry.id for entry in again[:2]] == [entry.id for entry in once]
    assert only(line(), "b.log").id != once[0].id
    assert len({entry.id for entry in again}) == 4


def test_robots_are_views_and_marked() -> None:
    google, reader, nobody = (only(line(agent=agent)) for agent in (GOOGLE, FIREFOX, "-"))
    assert [isinstance(entry, View) and entry.robot for entry in (google, reader, nobody)] == [True, False, False]
    assert is_robot("Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)")


def test_an_actor_is_one_client_with_one_agent_and_neither_is_kept() -> None:
    entries: list[Any] = [
        only(line()),
        only(line("GET /b HTTP/1.1")),
        only(line(client="83.149.9.217")),
        only(line(agent=GOOGLE)),
    ]
    actors = [entry.actor for entry in entries]
    assert actors[0] == actors[1]
    assert len(set(actors)) == 3
    assert "83.149" not in actors[0]


@given(st.lists(st.binary(max_size=200).map(lambda data: data.replace(b"\n", b"")), max_size=20))
def test_any_bytes_give_one_entry_a_line(lines: list[bytes]) -> None:
    entries = list(parse(lines, "a.log"))
    assert len(entries) == len(lines)
    assert all(isinstance(entry.id, UUID) for entry in entries)
    for entry in entries:
        if isinstance(entry, Refused):
            entry.told()["sample"].encode()


@given(st.lists(st.binary(max_size=60).map(lambda data: data.replace(b"\n", b"").replace(b"\r", b"")), max_size=20))
def test_lines_are_read_whole_packed_or_not_and_long_ones_are_cut(lines: list[bytes]) -> None:
    text = b"\n".join(lines) + b"\n" if lines else b""
    expected = [one if len(one) <= 30 else one[:31] for one in lines]
    if not text.startswith(b"\x1f\x8b"):
        found = list(read_lines(io.BytesIO(text), limit=30))
        assert [one[:31] for one in found] == expected
    assert [one[:31] for one in read_lines(io.BytesIO(gzip.compress(text)), limit=30)] == expected


def test_a_line_of_a_hundred_megabytes_is_one_refusal_in_little_memory() -> None:
    import tracemalloc

    class Endless(io.RawIOBase):
        """A line of 100 MB, and one more."""

        left = 100_000_000

        def readable(self) -> bool:
            return True

        def seekable(self) -> bool:
            return True

        def seek(self, offset: int, whence: int = 0) -> int:
            return 0

        def readinto(self, into: Any) -> int:
            size = min(len(into), self.left)
            into[:size] = b"a" * size
            self.left -= size
            return size

    tracemalloc.start()
    (entry,) = parse(read_lines(io.BufferedReader(Endless())), "a.log")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(entry, Refused)
    assert entry.reason == "malformed_line"
    assert peak < 2_000_000


def test_a_packed_file_has_the_name_of_the_file_in_it() -> None:
    assert source_name(Path("/x/access.log.gz")) == source_name(Path("access.log")) == "access.log"
