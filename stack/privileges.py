"""PostgreSQL refuses to run as root, so root starts it as `nobody`.

Where `nobody` could not reach its files, since a folder above them is closed to others (as /root is), it also gets the
one capability that opens folders for reading; it then needs no copy of its program and no data elsewhere.
"""

import os
import pwd
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from stack.errors import Refused

USER: Final = "nobody"
_CAPABILITIES: Final = {"dac_read_search": 1 << 2, "dac_override": 1 << 1}
"""Either opens closed folders; the first gives less, the second is what containers usually have."""


def owner() -> tuple[int, int] | None:
    """User and group id that PostgreSQL runs as; None means as ourselves."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(USER)
    except KeyError as error:
        raise Refused(f"PostgreSQL does not run as root, and there is no user {USER}: start as another user") from error
    return entry.pw_uid, entry.pw_gid


def dropped(reach: Iterable[Path]) -> tuple[str, ...]:
    """Options of setpriv with which PostgreSQL runs and reaches these files; none where we are not root."""
    ids = owner()
    if ids is None:
        return ()
    capability = "" if all(open_to_others(path) for path in reach) else f",+{_capability()}"
    kept = ("--securebits=+no_setuid_fixup",) if capability else ()
    limits = (f"--{kind}=-all{capability}" for kind in ("inh-caps", "ambient-caps", "bounding-set"))
    return (f"--reuid={ids[0]}", f"--regid={ids[1]}", "--clear-groups", "--no-new-privs", *limits, *kept)


def open_to_others(path: Path) -> bool:
    """Whether a stranger may read this file and enter every folder above it."""
    mode = path.stat().st_mode
    return mode & 0o005 == 0o005 and all(parent.stat().st_mode & 0o001 for parent in path.absolute().parents)


def _capability() -> str:
    lines = Path("/proc/self/status").read_text().splitlines()
    ours = int(next(line for line in lines if line.startswith("CapEff")).split()[1], 16)
    for name, bit in _CAPABILITIES.items():
        if ours & bit:
            return name
    raise Refused(
        "PostgreSQL does not run as root, and its user cannot enter the folders above the program or the data:"
        " start as another user, or move both out of the closed folder"
    )
