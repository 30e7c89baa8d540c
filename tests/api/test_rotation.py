"""Keys that sign are changed without signing anybody out."""

import json
import stat
from pathlib import Path
from uuid import UUID

import pytest

from api.auth.rotation import rotate
from api.auth.tokens import Claims, Tokens, ensure_key_file, read_key_file
from api.errors import Unauthenticated

USER, ORGANIZATION = UUID(int=1), UUID(int=2)


def test_in_three_steps_old_and_new_processes_always_understand_each_other(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    ensure_key_file(path)
    processes = [Tokens(read_key_file(path))]
    first = next(iter(read_key_file(path))).kid
    for step in ("add", "use"):
        ids = rotate(path, step)
        processes.append(Tokens(read_key_file(path)))
        for issuing, reading in ((processes[-2], processes[-1]), (processes[-1], processes[-2])):
            assert reading.read(issuing.issue(USER, ORGANIZATION)) == Claims(USER, ORGANIZATION)
    assert ids == [ids[0], first]
    old = processes[0].issue(USER, ORGANIZATION)
    assert rotate(path, "retire") == [ids[0]]
    retired = Tokens(read_key_file(path))
    assert retired.read(processes[-1].issue(USER, ORGANIZATION)) == Claims(USER, ORGANIZATION)
    with pytest.raises(Unauthenticated):
        retired.read(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["keys.json"]


def test_without_a_key_file_a_rotation_says_what_to_do(tmp_path: Path) -> None:
    for path in (None, tmp_path / "none.json"):
        with pytest.raises(ValueError, match="bootstrap"):
            rotate(path, "add")


async def test_the_public_keys_are_served_and_nothing_private_with_them(client, app, settings) -> None:
    answer = await client.get("/.well-known/jwks.json")
    private = json.loads(settings.signing_keys_file.read_text())["keys"][0]
    (public,) = answer.json()["keys"]
    assert (public["kid"], public["x"], public["kty"]) == (private["kid"], private["x"], "OKP")
    assert private["d"] not in answer.text
    assert "d" not in public
