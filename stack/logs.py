"""The children's logs: bounded, and read back for people."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

LARGEST_BYTES: Final = 16 << 20
KEPT: Final = 2


def rotate(log: Path, *, largest_bytes: int = LARGEST_BYTES) -> None:
    """Move a log that has grown large to NAME.log.1 (and that to .2), while its child goes on writing.

    Children append to an open file, so it is copied and cut, not renamed. Lines written between the two are lost, at
    most those of a few milliseconds.
    """
    if not log.exists() or log.stat().st_size <= largest_bytes:
        return
    for number in range(KEPT, 1, -1):
        older = log.with_name(f"{log.name}.{number - 1}")
        if older.exists():
            older.replace(log.with_name(f"{log.name}.{number}"))
    with log.open("r+b") as current, log.with_name(f"{log.name}.1").open("wb") as kept:
        while block := current.read(1 << 20):
            kept.write(block)
        current.truncate(0)


def size(log: Path) -> int:
    """How many bytes a log has; none where there is no log."""
    return log.stat().st_size if log.exists() else 0


def tail(log: Path, lines: int, *, since: int = 0) -> list[str]:
    """The last lines of a log, of those that were written when it had `since` bytes or later; a log that was cut
    meanwhile is read from its start."""
    if not log.exists():
        return []
    with log.open("rb") as file:
        now = size(log)
        file.seek(max(since if since <= now else 0, now - (lines << 10)))
        return file.read().decode(errors="replace").splitlines()[-lines:]


def follow(logs: dict[str, Path], *, pause_s: float = 0.2) -> Iterator[tuple[str, str]]:
    """(name, line) of everything that is written from now on, for ever; a log that was cut is read from its start."""
    at = {name: size(log) for name, log in logs.items()}
    rest = dict.fromkeys(logs, "")
    while True:
        for name, log in logs.items():
            text, at[name] = _read_from(log, at[name])
            *lines, rest[name] = (rest[name] + text).split("\n")
            yield from ((name, line) for line in lines)
        time.sleep(pause_s)


def _read_from(log: Path, at: int) -> tuple[str, int]:
    if not log.exists():
        return "", 0
    if log.stat().st_size < at:
        at = 0
    with log.open("rb") as file:
        file.seek(at)
        data = file.read()
    return data.decode(errors="replace"), at + len(data)
