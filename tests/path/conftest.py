"""The whole system, started once as a person would: `tallywire up` in a folder of its own, on ports of its own."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

DATA = Path(__file__).parents[3] / "shared" / "data"
"""Real input, beside the checkout."""


TOKEN_S = 300
"""A token is good for ten minutes."""


@dataclass
class System:
    """A running Tallywire, through its own front doors."""

    folder: Path
    _token: str = ""
    _token_until: float = 0

    def run(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A `tallywire` command."""
        done = subprocess.run(
            self.command(*words), env=self.environment(), capture_output=True, text=True, timeout=300, check=False
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "stack", *words, "--data", str(self.folder)]

    @staticmethod
    def environment() -> dict[str, str]:
        return {name: value for name, value in os.environ.items() if not name.startswith("TALLYWIRE_")}

    def import_(self, *words: str) -> dict[str, Any]:
        return json.loads(self.run("import", *words, "--json").stdout)

    @property
    def state(self) -> dict[str, Any]:
        return json.loads((self.folder / "run" / "state.json").read_text())

    @property
    def variables(self) -> dict[str, str]:
        return self.state["environment"]

    def pid(self, name: str) -> int:
        return int(self.state["children"][name]["process"]["pid"])

    def api(self) -> httpx2.Client:
        """Signed in as the local admin."""
        if time.monotonic() > self._token_until:
            self._token, self._token_until = self.run("token").stdout.strip(), time.monotonic() + TOKEN_S
        headers = {"Authorization": f"Bearer {self._token}"}
        return httpx2.Client(base_url=self.variables["TALLYWIRE_API_URL"] + "/api/v1", headers=headers, timeout=30)

    def collector(self, key: str) -> httpx2.Client:
        headers = {"Authorization": f"Bearer {key}"}
        return httpx2.Client(base_url=self.variables["TALLYWIRE_INGESTION_URL"] + "/v1", headers=headers, timeout=30)


@pytest.fixture(scope="package")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    started = System(tmp_path_factory.mktemp("system"))
    started.run("up", "--any-ports")
    yield started
    started.run("down")


@pytest.fixture(scope="module")
def api(system: System) -> Iterator[httpx2.Client]:
    with system.api() as client:
        yield client


@pytest.fixture(scope="module")
def key(api: httpx2.Client) -> str:
    """A key of the local admin's organization, for events."""
    return str(api.post("/write-keys", json={"name": "tests", "rights": ["events"]}).raise_for_status().json()["key"])


def eventually(what: Callable[[], Any], *, within_s: float = 60) -> Any:
    """The first true answer; fails with the last one."""
    end = time.monotonic() + within_s
    while not (answer := what()):
        assert time.monotonic() < end, f"still {answer!r} after {within_s} s"
        time.sleep(0.1)
    return answer
