"""Systems of our own to break: data folders in which only servers run."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from stack import state
from stack.environment import without_ours
from stack.folder import Folder
from stack.state import State


@dataclass
class System:
    """A data folder and the `tallywire` command upon it."""

    folder: Folder
    given: dict[str, str] = field(default_factory=dict)

    def tallywire(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        environment = {**without_ours(), "TALLYWIRE_DATA": str(self.folder.root), "KAFKA": "", **self.given, **more}
        environment["NO_COLOR"] = "1"
        command = [sys.executable, "-m", "stack", *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=False)

    def up(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        done = self.tallywire("up", "--servers-only", "--any-ports", *words, **more)
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    def down(self) -> None:
        done = self.tallywire("down")
        assert done.returncode == 0, done.stdout + done.stderr

    def state(self) -> State:
        known = state.read(self.folder)
        assert known is not None
        return known

    def pid(self, child: str) -> int:
        process = self.state().children[child].process
        assert process is not None
        return process.pid

    def restarts(self, child: str) -> int:
        return self.state().children[child].restarts

    def url(self, name: str) -> str:
        return self.state().environment[f"TALLYWIRE_{name.upper()}_URL"]

    def status(self) -> dict[str, Any]:
        report: dict[str, Any] = json.loads(self.tallywire("status", "--json").stdout)
        return report

    def processes(self) -> list[str]:
        """Every living process that has to do with the folder."""
        found = []
        for process in psutil.process_iter(["cmdline", "status", "pid"]):
            words = " ".join(process.info["cmdline"] or ())
            ours = str(self.folder.root) in words and process.info["status"] != psutil.STATUS_ZOMBIE
            if ours and process.info["pid"] != os.getpid():
                found.append(words)
        return found


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """All five servers."""
    made = System(Folder(tmp_path_factory.mktemp("system") / "data"))
    yield made
    made.down()


@pytest.fixture
def small(tmp_path: Path, servers: Any) -> Iterator[System]:
    """PostgreSQL and Valkey of its own, which start and stop within a second; the rest is somebody else's."""
    made = System(Folder(tmp_path / "data"))
    made.given = {
        "TALLYWIRE_RABBITMQ_URL": f"{servers.rabbitmq_url}/",
        "TALLYWIRE_CLICKHOUSE_URL": f"{servers.clickhouse_url}/default",
        "TALLYWIRE_KAFKA_URL": servers.kafka_url,
    }
    yield made
    made.down()


@pytest.fixture
def eventually() -> Callable[..., None]:
    """`eventually(condition, seconds=60)`: waits until the condition holds."""
    import time

    def wait(condition: Callable[[], bool], seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "it did not come about"
            time.sleep(0.05)

    return wait
