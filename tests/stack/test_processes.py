import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from stack import privileges, processes
from stack.state import Process, this_process


def test_a_process_is_known_by_its_birth_and_not_by_its_number_alone() -> None:
    me = this_process()
    assert processes.lives(me)
    assert not processes.lives(Process(me.pid, me.born + 1))
    assert not processes.lives(None)


def test_a_zombie_does_not_live() -> None:
    child = subprocess.Popen(["true"])
    born = processes.born(child.pid) or 0
    time.sleep(0.2)
    assert not processes.lives(Process(child.pid, born))
    child.wait()


def test_leftovers_are_ended_and_strangers_are_not() -> None:
    polite = subprocess.Popen(["sleep", "60"])
    deaf = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import signal,time;signal.signal(15,signal.SIG_IGN);print(1,flush=True);time.sleep(60)",
        ],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    stranger = subprocess.Popen(["sleep", "60"])
    assert deaf.stdout is not None
    deaf.stdout.readline()
    left = [Process(child.pid, processes.born(child.pid) or 0) for child in (polite, deaf)]
    left.append(Process(stranger.pid, 1))
    assert processes.end_leftovers(left, seconds=0.5) == 2
    assert (polite.wait(5), deaf.wait(5)) == (-signal.SIGTERM, -signal.SIGKILL)
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()
    deaf.stdout.close()


def test_what_a_stranger_can_reach_is_told_from_what_it_cannot(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "file").touch()
    assert not privileges.open_to_others(closed / "file")
    assert privileges.open_to_others(Path("/usr/bin/env"))


def test_privileges_are_dropped_only_by_root_and_opened_only_where_needed(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    easy, hard = privileges.dropped([Path("/usr/bin/env")]), privileges.dropped([closed])
    if os.geteuid() != 0:
        assert (easy, hard) == ((), ())
        return
    assert f"--reuid={privileges.owner()[0]}" in easy  # type: ignore[index]  # root has an owner to drop to
    assert "--bounding-set=-all" in easy
    assert any(option.startswith("--bounding-set=-all,+dac") for option in hard)
