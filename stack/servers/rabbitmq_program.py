"""Where RabbitMQ's program comes from: Debian's package, installed by root or unpacked into the data folder."""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from stack.errors import Refused
from stack.server import Place

INSTALLED: Final = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
"""Not /usr/sbin/rabbitmq-server: that one insists on the user rabbitmq and on /var/lib."""
PACKAGE: Final = "rabbitmq-server"
OTHERWISE: Final = "Install RabbitMQ yourself (sudo apt-get install rabbitmq-server), or set TALLYWIRE_RABBITMQ_URL"

_ERL = """#!/bin/sh
# Debian's own `erl` knows only /usr/lib/erlang.
ROOTDIR='{root}'
BINDIR='{bin}'
EMU=beam
PROGNAME=erl
export ROOTDIR BINDIR EMU PROGNAME
exec "$BINDIR/erlexec" ${{1+"$@"}}
"""


@dataclass(frozen=True)
class Program:
    """What to run, and what must come first in PATH for it."""

    server: Path
    epmd: Path
    path: tuple[Path, ...] = ()


def find(place: Place) -> Program:
    """The installed program, or the unpacked one."""
    if INSTALLED.exists():
        return Program(INSTALLED, Path(shutil.which("epmd") or "/usr/bin/epmd"))
    tree = _tree(place)
    erts = next((tree / "usr/lib/erlang").glob("erts-*"))
    server = next((tree / "usr/lib/rabbitmq/lib").glob("rabbitmq_server-*")) / "sbin" / "rabbitmq-server"
    return Program(server, erts / "bin" / "epmd", (tree / "first",))


def install(place: Place, say: Callable[[str], None]) -> None:
    """Make sure that `find` finds it. Raises Refused with what to type where it cannot be had."""
    if INSTALLED.exists() or _tree(place).exists():
        return
    if not shutil.which("apt-get") or not shutil.which("dpkg"):
        raise Refused(f"RabbitMQ is missing, and this is no Debian from which it could be fetched. {OTHERWISE}")
    if os.geteuid() == 0:
        _install_as_root(say)
    else:
        _unpack(place, say)


def _install_as_root(say: Callable[[str], None]) -> None:
    """apt-get install; the service that Debian would start is not wanted, only the program."""
    say("installing RabbitMQ (apt-get install rabbitmq-server)")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = ("apt-get", "install", "-y", "-q", "--no-install-recommends", PACKAGE)
    if _run(command, quiet).returncode:
        _check(_run(("apt-get", "update", "-q"), quiet))
        _check(_run(command, quiet))
    if Path("/run/systemd/system").exists():
        _run(("systemctl", "disable", "--now", PACKAGE), quiet)


def _unpack(place: Place, say: Callable[[str], None]) -> None:
    """Fetch the package, and what it needs and this machine lacks, with apt's own checks, into the data folder."""
    say("fetching RabbitMQ from Debian into the data folder")
    home = place.folder.programs / "debian"
    options = _own_apt(home)
    wanted = _run(("apt-get", *options, "install", "--print-uris", "-qq", "--no-install-recommends", PACKAGE))
    if wanted.returncode:
        _check(_run(("apt-get", *options, "update", "-q")))
        wanted = _check(
            _run(("apt-get", *options, "install", "--print-uris", "-qq", "--no-install-recommends", PACKAGE))
        )
    names = [line.split()[1].partition("_")[0] for line in wanted.stdout.splitlines() if line.startswith("'")]
    debs = home / "debs"
    debs.mkdir(exist_ok=True)
    _check(_run(("apt-get", *options, "download", "-q", *names), cwd=debs))
    draft = home / "draft"
    for deb in sorted(debs.glob("*.deb")):
        _check(_run(("dpkg", "-x", str(deb), str(draft))))
    draft.rename(_tree(place))
    _write_erl(_tree(place))
    shutil.rmtree(home)


def _own_apt(home: Path) -> tuple[str, ...]:
    """apt with lists and caches of our own; the machine's sources, keys and installed packages count."""
    for name in ("lists/partial", "cache/archives/partial"):
        (home / name).mkdir(parents=True, exist_ok=True)
    settings = {
        "Dir::State::Lists": home / "lists",
        "Dir::Cache": home / "cache",
        "Debug::NoLocking": "true",
        "APT::Sandbox::User": "",
    }
    return tuple(part for name, value in settings.items() for part in ("-o", f"{name}={value}"))


def _write_erl(tree: Path) -> None:
    root = tree / "usr/lib/erlang"
    erl = tree / "first" / "erl"
    erl.parent.mkdir()
    erl.write_text(_ERL.format(root=root, bin=next(root.glob("erts-*")) / "bin"))
    erl.chmod(0o755)


def _tree(place: Place) -> Path:
    return place.folder.programs / "rabbitmq"


def _run(
    command: tuple[str, ...], environment: dict[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 — our own words
        command, capture_output=True, text=True, check=False, env=environment, cwd=cwd
    )


def _check(done: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-1500:]
        raise Refused(f"RabbitMQ could not be fetched: `{' '.join(done.args)}` failed:\n{said}\n{OTHERWISE}")
    return done
