"""What can stand in the way of `tallywire up`, and what is said then."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import click
import pytest
from pydantic import SecretStr
from typer.main import get_command
from typer.testing import CliRunner

from stack import environment
from stack.__main__ import COMMANDS, application
from stack.errors import Refused
from stack.folder import LEAST_FREE_BYTES, Folder, space_complaint
from wire.settings import Settings

VERBS = tuple(COMMANDS)


def test_a_taken_port_is_said_and_another_is_kept(small: Any) -> None:
    small.up()
    small.down()
    wanted = small.state().ports["valkey"]
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", wanted))
        squatter.listen()
        said = small.up()
        moved = small.state().ports["valkey"]
        small.down()
    assert f"port {wanted} is taken: valkey listens on {moved}" in said.stdout
    small.up()
    assert small.state().ports["valkey"] == moved


def test_an_address_in_the_environment_is_used_and_not_started(small: Any) -> None:
    small.up()
    children = small.state().children
    assert children["rabbitmq"].condition == "external"
    assert children["rabbitmq"].process is None
    assert small.url("rabbitmq") == small.given["TALLYWIRE_RABBITMQ_URL"]
    assert "epmd" not in children


def test_what_env_prints_does_not_make_our_own_servers_foreign(small: Any) -> None:
    small.up()
    ours = small.url("postgres")
    small.down()
    small.up(TALLYWIRE_POSTGRES_URL=ours)
    assert small.state().children["postgres"].condition == "ready"


def test_an_address_where_nothing_answers_is_said_without_its_password(small: Any) -> None:
    done = small.tallywire("up", "--servers-only", TALLYWIRE_REDIS_URL="redis://:hidden@127.0.0.1:1/0")
    assert done.returncode == 1
    assert "TALLYWIRE_REDIS_URL is set, but nothing usable answers at 127.0.0.1:1" in done.stderr
    assert "hidden" not in done.stderr + done.stdout
    assert small.processes() == []


def test_a_child_that_keeps_failing_ends_everything_with_its_last_words(small: Any) -> None:
    small.up()
    small.down()
    manifest = small.folder.root / "valkey" / "appendonlydir" / "appendonly.aof.manifest"
    manifest.write_text("this is not a manifest\n")
    done = small.tallywire("up", "--servers-only")
    assert done.returncode == 1
    assert "valkey failed 5 times within a minute" in done.stderr
    assert "manifest" in done.stderr
    assert "Ready to accept connections" not in done.stderr  # as it was the first time
    assert small.processes() == []
    assert small.tallywire("status").stdout.startswith("failed")


def test_a_stale_pid_file_does_not_keep_postgres_from_starting(small: Any) -> None:
    small.up()
    small.down()
    with subprocess.Popen(["sleep", "60"]) as unrelated:
        pid_file = small.folder.root / "postgres" / "data" / "postmaster.pid"
        pid_file.write_text(f"{unrelated.pid}\n{pid_file.parent}\n0\n")
        small.up()
        unrelated.kill()
    assert small.state().children["postgres"].restarts == 0


def test_half_made_database_files_are_made_again(small: Any) -> None:
    small.folder.make()
    draft = small.folder.root / "postgres" / "draft"
    draft.mkdir(parents=True)
    (draft / "PG_VERSION").write_text("18\n")
    small.up()
    assert small.state().children["postgres"].condition == "ready"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_in_the_foreground_a_signal_stops_everything(small: Any, number: signal.Signals, eventually: Any) -> None:
    command = [sys.executable, "-m", "stack", "up", "--foreground", "--servers-only", "--any-ports"]
    environment = {**os.environ, **small.given, "TALLYWIRE_DATA": str(small.folder.root)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as running:
        eventually(lambda: small.folder.state.exists() and small.state().phase == "ready")
        running.send_signal(number)
        said, _ = running.communicate(timeout=30)
    assert running.returncode == 0
    assert "postgres" in said
    assert small.processes() == []
    assert small.state().phase == "stopped"


def test_reset_asks_and_then_empties_the_folder_but_for_programs(small: Any) -> None:
    small.up()
    (small.folder.programs / "rabbitmq").mkdir(parents=True)
    assert small.tallywire("reset").returncode != 0
    assert small.status()["phase"] == "ready"
    assert small.tallywire("reset", "--yes").returncode == 0
    assert small.processes() == []
    assert [path.name for path in small.folder.root.iterdir()] == ["programs"]


def test_logs_show_the_last_lines_and_know_the_names(small: Any) -> None:
    small.up()
    assert "ready to accept connections" in small.tallywire("logs", "postgres").stdout
    both = small.tallywire("logs", "-n", "1").stdout
    assert {line.split()[0] for line in both.splitlines()} == {"postgres", "supervisor", "valkey"}
    unknown = small.tallywire("logs", "nobody")
    assert unknown.returncode == 1
    assert "postgres, supervisor, valkey" in unknown.stderr


def test_nothing_is_known_of_a_folder_in_which_nothing_ran(small: Any) -> None:
    report = small.tallywire("status", "--json")
    assert report.returncode == 1
    assert json.loads(report.stdout)["phase"] == "never started"
    assert "run `make up`" in small.tallywire("env").stderr


def test_a_full_disk_is_said_before_anything_starts(tmp_path: Path) -> None:
    complaint = space_complaint(tmp_path, LEAST_FREE_BYTES - 1)
    assert complaint is not None
    assert "1024 MB are needed" in complaint
    assert space_complaint(tmp_path, LEAST_FREE_BYTES) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_really_full_disk_stops_up_and_leaves_nothing(small: Any) -> None:
    small.folder.root.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=20m", "none", str(small.folder.root)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        done = small.tallywire("up", "--servers-only")
        assert done.returncode == 1
        assert "MB are free" in done.stderr
        assert small.processes() == []
    finally:
        subprocess.run(["umount", str(small.folder.root)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can lock itself out")
def test_root_starts_postgres_below_a_folder_that_others_cannot_enter(small: Any, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    small.folder = Folder(closed / "data")
    small.up()
    process = Path(f"/proc/{small.pid('postgres')}/status").read_text()
    assert "Uid:\t0\t" not in process
    small.down()


def test_somebody_elses_folder_is_refused(tmp_path: Path, small: Any) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    small.folder.make()
    os.chown(small.folder.secrets, 12345, 12345)
    done = small.tallywire("up")
    assert done.returncode == 1
    assert "belongs to user 12345" in done.stderr


@pytest.mark.parametrize("verb", VERBS)
def test_help_says_what_each_verb_does(verb: str) -> None:
    assert verb in CliRunner().invoke(application(), ["--help"]).stdout
    alone = CliRunner().invoke(application(verb), [verb, "--help"], prog_name="tallywire").stdout
    assert f"Usage: tallywire {verb}" in alone


@pytest.mark.parametrize("verb", VERBS)
def test_help_explains_every_word_of_each_verb(verb: str) -> None:
    def of(command: click.Command) -> list[click.Command]:
        return [command, *(one for each in getattr(command, "commands", {}).values() for one in of(each))]

    for command in of(get_command(application(verb))):
        unexplained = [word.name for word in command.params if not getattr(word, "help", None)]
        assert (command.help is not None, unexplained) == (True, []), command.name


@pytest.mark.parametrize(
    "words",
    [("commands", "list"), ("commands", "replay", str(UUID(int=1))), ("audit", "verify"), ("audit", "head")],
    ids=" ".join,
)
def test_where_postgresql_is_away_a_sentence_says_so(words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = SecretStr("postgresql://nobody:hidden@127.0.0.1:1/none")
    settings = Settings(postgres_relay_url=nowhere, postgres_app_url=nowhere)
    monkeypatch.setattr(environment, "load", lambda _: settings)
    done = CliRunner().invoke(application(words[0]), words)
    assert isinstance(done.exception, Refused)
    assert "PostgreSQL does not answer" in str(done.exception)
    assert "hidden" not in str(done.exception)


def test_a_file_that_is_not_there_is_said_to_be_missing() -> None:
    done = CliRunner().invoke(application("audit"), ["audit", "verify", "--heads", "/nowhere"])
    assert (done.exit_code, "does not exist" in done.output) == (2, True)
