"""A write key's life on the command line."""

from tests.path.conftest import System


def test_a_key_is_revoked_by_the_id_that_the_list_shows(system: System) -> None:
    key = system.run("keys", "create", "on the command line").stdout.strip()
    (line,) = [line for line in system.run("keys", "list").stdout.splitlines() if "on the command line" in line]
    with system.collector(key) as collector:
        assert collector.post("/events", json=[]).status_code == 202
    assert system.run("keys", "revoke", line.split()[0]).stdout == "Revoked.\n"
    (after,) = [line for line in system.run("keys", "list").stdout.splitlines() if "on the command line" in line]
    assert len(after.split()) == len(line.split()) + 1
    refused = system.run("keys", "revoke", "abc", check=False)
    assert (refused.returncode, "Traceback" in refused.stderr) == (2, False)
