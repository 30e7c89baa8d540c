import json
from pathlib import Path

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from stack import keyring
from stack.folder import Folder


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder(tmp_path / "data")
    made.make()
    return made


def test_a_secret_is_made_once_and_is_its_owners_only(folder: Folder) -> None:
    first = keyring.secret(folder, "one")
    assert keyring.secret(folder, "one") == first
    assert keyring.secret(folder, "two") != first
    assert len(first) == 32
    assert {file.stat().st_mode & 0o777 for file in folder.secrets.iterdir()} == {0o600}
    assert folder.secrets.stat().st_mode & 0o777 == 0o700


def test_the_signing_keys_sign_and_stay(folder: Folder) -> None:
    file = keyring.signing_keys(folder)
    keys = KeySet.import_key_set(json.loads(file.read_text()))
    token = jwt.encode({"alg": "Ed25519"}, {"sub": "someone"}, keys.keys[0], algorithms=["Ed25519"])
    again = KeySet.import_key_set(json.loads(keyring.signing_keys(folder).read_text()))
    assert jwt.decode(token, again.keys[0], algorithms=["Ed25519"]).claims["sub"] == "someone"
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_private_file_is_replaced_whole(folder: Folder) -> None:
    file = folder.secrets / "some"
    keyring.write_private(file, "first and longer")
    keyring.write_private(file, "second")
    assert file.read_text() == "second"
    assert [path.name for path in folder.secrets.iterdir()] == ["some"]
