"""`tallywire import` over the real API and the real collector: what arrives equals an independent count, and once."""

import csv
import gzip
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx2
import pytest

from tests.conftest import free_port
from wire.topics import REJECTIONS, SNAPSHOTS

DATA = Path(__file__).parents[3] / "shared" / "data"
PASSWORD = "correct horse battery staple"

pytestmark = pytest.mark.skipif(not DATA.exists(), reason="the shared data are not beside this checkout")


@dataclass(frozen=True)
class System:
    """An API and a collector, an organization, and the environment that leads to them."""

    organization_id: UUID
    environment: dict[str, str]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from stack.commands.imports import app; app()", *words]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False, timeout=100)

    def json(self, *words: str) -> dict[str, Any]:
        ran = self.run(*words, "--json")
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return dict(json.loads(ran.stdout))


@pytest.fixture(scope="session")
def api(corner: Any, servers: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    """A running API, and its environment."""
    folder, port = tmp_path_factory.mktemp("api"), free_port()
    environment = {
        **os.environ,
        "TALLYWIRE_POSTGRES_URL": corner.postgres_url.get_secret_value(),
        "TALLYWIRE_POSTGRES_APP_URL": corner.postgres_app_url.get_secret_value(),
        "TALLYWIRE_POSTGRES_IMPORT_URL": corner.postgres_import_url.get_secret_value(),
        "TALLYWIRE_REDIS_URL": f"{servers.redis_url}/3",
        "TALLYWIRE_SIGNING_KEYS_FILE": str(folder / "keys.json"),
        "TALLYWIRE_PORT": str(port),
    }
    bootstrap(environment)
    url = f"http://127.0.0.1:{port}"
    with (folder / "api.log").open("wb") as out:
        process = subprocess.Popen([sys.executable, "-m", "api", "serve"], env=environment, stderr=out)
        try:
            with httpx2.Client(transport=httpx2.HTTPTransport(retries=8)) as client:
                assert client.get(f"{url}/healthz").status_code == 200
            yield url, environment
        finally:
            process.kill()
            process.wait()


def bootstrap(environment: dict[str, str]) -> tuple[str, UUID]:
    """A new organization: its administrator's address, and its id."""
    name = f"o-{secrets.token_hex(6)}"
    email = f"{name}@example.com"
    command = [sys.executable, "-m", "api", "bootstrap", "--organization", name, "--email", email]
    made = subprocess.run(command, env=environment, input=PASSWORD, text=True, check=True, capture_output=True)
    return email, UUID(json.loads(made.stdout)["organization_id"])


def new_system(api: tuple[str, dict[str, str]], collecting: Any) -> System:
    url, environment = api
    email, organization_id = bootstrap(environment)
    with httpx2.Client(base_url=f"{url}/api/v1", timeout=20) as client:
        signed_in = client.post("/auth/token", data={"username": email, "password": PASSWORD})
        token = signed_in.raise_for_status().json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        key = client.post("/write-keys", json={"name": "imports", "rights": ["events", "history"]})
    return System(
        organization_id,
        {
            **os.environ,
            "TALLYWIRE_API_URL": url,
            "TALLYWIRE_INGESTION_URL": collecting.url,
            "TALLYWIRE_TOKEN": token,
            "TALLYWIRE_WRITE_KEY": key.raise_for_status().json()["key"],
        },
    )


@pytest.fixture
def system(api: tuple[str, dict[str, str]], collecting: Any) -> System:
    """An organization of the test's own, with its administrator's token and a key for history."""
    return new_system(api, collecting)


@pytest.fixture(scope="session")
def used_system(api: tuple[str, dict[str, str]], collecting: Any) -> System:
    """One for all tests that do not look at what is in it."""
    return new_system(api, collecting)


def views_by_page(file: Path) -> Counter[str]:
    """The rule in one expression, which shares nothing with the importer."""
    page = re.compile(
        r'"GET ([^? "]*/(?:[^./? "]*|[^/? "]*\.(?:html|htm|xhtml|php)))(?:\?[^ "]*)? HTTP/[0-9.]+" 200 .*"$'
    )
    return Counter(found[1] for text in file.read_text().splitlines() if (found := page.search(text)))


async def test_an_access_log_arrives_as_it_was_counted_by_other_means_and_only_once(
    system: System, owner: asyncpg.Connection, log: Any, tmp_path: Path
) -> None:
    file = DATA / "access.log"
    expected = views_by_page(file)
    first = system.json("access-log", str(file))
    assert (first["read"], first["views"], first["pages"], first["new_pieces"]) == (10_000, 3720, 693, 693)
    assert sum(expected.values()) == first["accepted"] == 3720
    assert sum(first["refused"].values()) == 6280

    stored = await log.events(system.organization_id, 3720)
    rows = await owner.fetch(
        "SELECT id, title, type::text, status::text, platforms, source_ref FROM content WHERE organization_id = $1",
        system.organization_id,
    )
    paths = {str(row["id"]): row["source_ref"] for row in rows}
    assert Counter(paths[event["content_id"]] for event in stored) == expected
    assert {(row["type"], row["status"], tuple(row["platforms"])) for row in rows} == {
        ("custom", "published", ("web",))
    }
    assert {row["title"] for row in rows} == set(expected)
    assert sum(event["robot"] for event in stored) == first["robots"]
    ids = [event["id"] for event in stored]
    assert len(set(ids)) == 3720
    rejected = await log.items(REJECTIONS, system.organization_id, 6280)
    assert Counter(item["reason"] for item in rejected) == first["refused"]
    assert len({item["id"] for item in rejected}) == 6280

    grown = tmp_path / "access.log"
    packed = tmp_path / "access.log.gz"
    shutil.copy(file, grown)
    with grown.open("a") as out:
        out.write(next(text for text in file.read_text().splitlines() if '"GET / HTTP/1.1" 200' in text) + "\n")
    packed.write_bytes(gzip.compress(grown.read_bytes()))
    again = system.json("access-log", str(file), str(packed))
    assert (again["read"], again.get("new_pieces", 0)) == (20_001, 0)
    stored = await log.events(system.organization_id, 3 * 3720 + 1)
    assert len({event["id"] for event in stored} - set(ids)) == again["views"] - 2 * 3720 == 1


async def test_posts_arrive_with_their_sums_and_empty_is_not_zero(
    system: System, owner: asyncpg.Connection, log: Any
) -> None:
    file = DATA / "news_posts.csv"
    told = system.json("posts", str(file), "--captured-at", "2016-10-01T00:00:00")
    assert (told["read"], told["posts"], told["new_pieces"]) == (2282, 2282, 2282)
    assert told["sums"] == {"share": 8_947_132, "reaction": 12_230_569, "comment": 1_176_713}
    count = sum(told["snapshots"].values())

    stored = await log.items(SNAPSHOTS, system.organization_id, count)
    rows = await owner.fetch("SELECT id, source_ref FROM content WHERE organization_id = $1", system.organization_id)
    posts = {str(row["id"]): row["source_ref"].removeprefix("facebook:") for row in rows}
    found = {(posts[s["content_id"]], s["kind"]): s["count"] for s in stored}
    expected = {}
    with file.open(newline="") as opened:
        for row in csv.DictReader(opened):
            for kind in ("share", "reaction", "comment"):
                if row[f"{kind}_count"] != "":
                    expected[row["post_id"], kind] = int(row[f"{kind}_count"])
    assert found == expected
    assert len(stored) == count == len(expected)
    assert {(s["platform"], s["captured_at"]) for s in stored} == {("facebook", "2016-10-01T00:00:00Z")}
    again = system.json("posts", str(file), "--captured-at", "2016-10-01T00:00:00")
    assert again.get("new_pieces", 0) == 0


async def test_columns_are_named_by_options(system: System, log: Any, tmp_path: Path) -> None:
    file = tmp_path / "videos.csv"
    file.write_text("video,name,plays\nv1,One,5\nv2,Two,\nv3,Three,many\n")
    words = ("--platform", "youtube", "--id-column", "video", "--title-column", "name", "--date-column", "")
    told = system.json("posts", str(file), *words, "--metric", "view=plays")
    assert told["snapshots"] == {"view": 1}
    assert told["refused"] == {"invalid_count": 1}
    (stored,) = await log.items(SNAPSHOTS, system.organization_id, 1)
    assert (stored["platform"], stored["kind"], stored["count"]) == ("youtube", "view", 5)


async def test_a_person_sees_a_summary(used_system: System, tmp_path: Path) -> None:
    file = tmp_path / "small.log"
    file.write_bytes((DATA / "access.log").read_bytes()[:20_000])
    ran = used_system.run("access-log", str(file))
    assert ran.returncode == 0
    assert re.search(r"views +\d", ran.stdout)
    assert re.search(r"not_a_page +\d", ran.stdout)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("access-log", "FILE", "FILE", "--source", "x"), "--source names one file"),
        (("posts", "FILE"), "has no column post_id"),
        (("posts", "FILE", "--platform", "Face Book"), "--platform must match"),
        (("posts", "FILE", "--metric", "likes=x"), "--metric is KIND=COLUMN"),
        (("access-log", "PACKED"), "Compressed file ended"),
    ],
)
async def test_what_cannot_be_done_is_said_and_the_exit_status_is_not_zero(
    used_system: System, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    file, packed = tmp_path / "a.log", tmp_path / "b.log.gz"
    file.write_text("x\n")
    packed.write_bytes(gzip.compress(secrets.token_bytes(1000))[:-100])
    names = {"FILE": str(file), "PACKED": str(packed)}
    ran = used_system.run(*(names.get(word, word) for word in words))
    assert ran.returncode != 0
    assert said in ran.stdout + ran.stderr


async def test_a_key_that_is_refused_ends_the_import_with_a_reason(used_system: System, tmp_path: Path) -> None:
    file = tmp_path / "a.log"
    file.write_bytes((DATA / "access.log").read_bytes()[:2_000])
    without = replace(used_system, environment={**used_system.environment, "TALLYWIRE_WRITE_KEY": f"twk_{'x' * 43}"})
    ran = without.run("access-log", str(file), "--json")
    assert ran.returncode == 1
    assert "401" in json.loads(ran.stdout)["error"]
