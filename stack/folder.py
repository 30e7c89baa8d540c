"""The data folder: one place for everything that a running system keeps."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from stack.errors import Refused

CHECKOUT: Final = Path(__file__).parent.parent
LEAST_FREE_BYTES: Final = 1 << 30
PRIVATE: Final = ("secrets", "run", "log", "valkey", "rabbitmq", "kafka", "clickhouse")
"""Folders that only their owner may enter; `postgres` has its own owner where root starts it."""


@dataclass(frozen=True)
class Folder:
    """Paths in the data folder. `programs` (what was downloaded) outlives a reset."""

    root: Path

    @property
    def secrets(self) -> Path:
        """Passwords and keys, a file each."""
        return self.root / "secrets"

    @property
    def run(self) -> Path:
        """What concerns the running system only: state, lock, readiness."""
        return self.root / "run"

    @property
    def logs(self) -> Path:
        """`NAME.log` of every child."""
        return self.root / "log"

    @property
    def programs(self) -> Path:
        """Downloaded programs: RabbitMQ without root, Kafka's jars."""
        return self.root / "programs"

    @property
    def state(self) -> Path:
        """What runs where: see stack.state."""
        return self.run / "state.json"

    @property
    def lock(self) -> Path:
        """Held by the supervisor as long as it lives."""
        return self.run / "lock"

    def log(self, name: str) -> Path:
        """The log of one child."""
        return self.logs / f"{name}.log"

    def make(self) -> None:
        """Create what is missing. Raises Refused where the folder is somebody else's or cannot hold a system."""
        if "?" in str(self.root):
            raise Refused(f"The data folder's path must not contain a question mark: {self.root}")
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            for name in PRIVATE:
                (self.root / name).mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise Refused(
                f"Cannot write the data folder {self.root}: {error.strerror}. Choose another by --data"
            ) from error
        owner = self.secrets.stat().st_uid
        if owner != os.geteuid():
            raise Refused(f"{self.root} belongs to user {owner}: start it as that user, or choose another by --data")
        if complaint := space_complaint(self.root, shutil.disk_usage(self.root).free):
            raise Refused(complaint)

    def clear(self) -> None:
        """Remove everything but the programs."""
        for name in (*PRIVATE, "postgres"):
            if (self.root / name).exists():
                shutil.rmtree(self.root / name)


def space_complaint(root: Path, free_bytes: int) -> str | None:
    """What to say where too little space is free: databases on a full disk stop in the middle of a write."""
    if free_bytes >= LEAST_FREE_BYTES:
        return None
    free, needed = free_bytes >> 20, LEAST_FREE_BYTES >> 20
    return f"Only {free} MB are free at {root}; {needed} MB are needed. Make room and try again"


def folder_at(given: Path | None) -> Folder:
    """The data folder that was asked for, or `data/` in the checkout."""
    return Folder((given or CHECKOUT / "data").expanduser().absolute())
