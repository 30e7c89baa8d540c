"""Real files in, and every figure equal to an independent count of the same file."""

import csv
import json
import os
import re
import signal
import subprocess
import time
from collections import Counter
from typing import Any

import pytest

from tests.path.conftest import DATA, System, eventually

ACCESS_LOG = DATA / "access.log"
POSTS = DATA / "news_posts.csv"
PAGE_ENDINGS = {"html", "htm", "xhtml", "php"}


def views_by_page() -> Counter[str]:
    """Counted from the text alone, with the csv module."""
    views: Counter[str] = Counter()
    with ACCESS_LOG.open(encoding="utf-8", newline="") as lines:
        for row in csv.reader(lines, delimiter=" ", quotechar='"', escapechar="\\"):
            request, status = row[5].split(" "), row[6]
            if request[0] != "GET" or status != "200":
                continue
            path = request[1].split("?")[0]
            last = path.split("/")[-1]
            if "." not in last or last.split(".")[-1].lower() in PAGE_ENDINGS:
                views[path] += 1
    return views


def totals_of(system: System, wanted: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """source_ref or title -> engagement_stats of every piece that the API lists."""
    found: dict[str, dict[str, Any]] = {}
    with system.api() as api:
        page = 1
        while (
            items := api.get("/content", params={"page": page, "limit": 100, **wanted})
            .raise_for_status()
            .json()["items"]
        ):
            found |= {piece["title"]: piece["engagement_stats"] for piece in items}
            page += 1
    return found


def views_in_postgresql(system: System) -> dict[str, int]:
    pieces = totals_of(system, {"platform": "web"})
    counts = {
        title: stats.get("totals", {}).get("web", {}).get("view", {}).get("count", 0)
        for title, stats in pieces.items()
        if stats and title.startswith("/")
    }
    return {title: count for title, count in counts.items() if count}


@pytest.fixture(scope="module")
def imported(system: System) -> dict[str, Any]:
    """The log imported while the stream worker is killed in the middle of it."""
    importing = subprocess.Popen(
        system.command("import", "access-log", str(ACCESS_LOG), "--json"),
        env=system.environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    time.sleep(2)
    os.kill(system.pid("streams"), signal.SIGKILL)
    out, _ = importing.communicate(timeout=180)
    assert importing.returncode == 0
    return json.loads(out)


def test_each_line_is_a_view_or_a_rejection_with_its_reason(imported: dict[str, Any]) -> None:
    assert imported["read"] == 10_000
    assert imported["views"] == 3_720
    assert imported["pages"] == 693
    assert sum(imported["refused"].values()) == 6_280


def test_every_pages_views_equal_the_independent_count_though_the_worker_was_killed(
    system: System, imported: dict[str, Any]
) -> None:
    expected = views_by_page()
    assert (len(expected), sum(expected.values())) == (693, 3_720)
    assert imported["views"] == sum(expected.values())
    eventually(lambda: sum(views_in_postgresql(system).values()) >= 3_720, within_s=60)
    assert views_in_postgresql(system) == expected


def test_the_same_file_again_and_the_file_grown_count_nothing_twice(
    system: System, imported: dict[str, Any], tmp_path: Any
) -> None:
    assert imported["views"] == 3_720
    grown = tmp_path / "access.log"
    line = '1.2.3.4 - - [20/May/2015:21:05:59 +0000] "GET /grown/ HTTP/1.1" 200 5 "-" "Mozilla/5.0"\n'
    grown.write_text(ACCESS_LOG.read_text(encoding="utf-8") + line + line, encoding="utf-8")
    again = system.import_("access-log", str(grown))
    assert again["views"] == 3_722
    expected = {**views_by_page(), "/grown/": 2}
    eventually(lambda: views_in_postgresql(system).get("/grown/") == 2, within_s=60)
    assert views_in_postgresql(system) == expected
    system.run("verify")


def test_robots_are_counted_as_views_but_not_as_readers(system: System, imported: dict[str, Any]) -> None:
    pieces = totals_of(system, {"platform": "web"})
    assert imported["views"] == 3_720
    cells = [s["totals"]["web"]["view"] for s in pieces.values() if s and "web" in s.get("totals", {})]
    robots = len(re.findall(r"Googlebot", ACCESS_LOG.read_text(encoding="utf-8")))
    assert robots > 100
    assert 0 < sum(cell["robots"] for cell in cells) < sum(cell["count"] for cell in cells)


def test_posts_are_snapshots_whose_sums_equal_the_files_and_whose_second_import_changes_nothing(system: System) -> None:
    with POSTS.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    columns = {"share": "share_count", "reaction": "reaction_count", "comment": "comment_count"}
    expected = {kind: sum(int(row[column]) for row in rows if row[column]) for kind, column in columns.items()}
    assert expected == {"share": 8_947_132, "reaction": 12_230_569, "comment": 1_176_713}
    filled = sum(1 for row in rows for column in columns.values() if row[column])

    for _ in range(2):
        told = system.import_("posts", str(POSTS))
        assert told["posts"] == 2_282

        def found() -> tuple[dict[str, int], int]:
            pieces = totals_of(system, {"platform": "facebook"})
            held = [s.get("snapshots", {}).get("facebook", {}) for s in pieces.values() if s]
            sums = {kind: sum(cells[kind]["count"] for cells in held if kind in cells) for kind in columns}
            return sums, sum(len(cells) for cells in held)

        eventually(lambda: found()[1] >= filled, within_s=60)
        assert found() == (expected, filled)
    system.run("verify")


def test_a_snapshot_is_shown_with_its_age(system: System) -> None:
    with system.api() as api:
        piece = api.get("/content", params={"platform": "facebook", "limit": 1}).json()["items"][0]
        shown = api.get(f"/content/{piece['id']}/stats").json()["snapshots"]["facebook"]
    assert all(cell["age_seconds"] > 0 for cell in shown.values())
    assert all(cell["captured_at"] for cell in shown.values())
