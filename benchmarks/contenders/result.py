"""What every contender takes and tells; the standard library only, since peers have an environment of their own."""

import hashlib
import json
import resource
import sys
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

Counts = Mapping[tuple[str, str, str, int], int]
"""(content, platform, kind, unix minute) -> events"""


def task() -> dict[str, Any]:
    """The task: the one argument of the command line."""
    told: dict[str, Any] = json.loads(sys.argv[1])
    return told


class Clock:
    """CPU of this process, all threads, and the wall's time, from when it is made."""

    def __init__(self) -> None:
        self._cpu, self._wall = time.process_time(), time.perf_counter()

    def read(self) -> dict[str, float]:
        """Seconds since."""
        return {"cpu_seconds": time.process_time() - self._cpu, "wall_seconds": time.perf_counter() - self._wall}


def digest(counts: Counts) -> str:
    """A fingerprint of counts: equal where, and only where, every count is equal."""
    lines = sorted(f"{'|'.join(map(str, key))}|{count}" for key, count in counts.items())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def tell(events: int, spent: Mapping[str, Any], *packages: str, **more: Any) -> None:
    """Print the result, with the versions of what was measured."""
    rss_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    versions = {name: known for name in packages if (known := _version(name))}
    print("\n" + json.dumps({"events": events, "rss_mb": rss_mb, "versions": versions, **spent, **more}), flush=True)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
