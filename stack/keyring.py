"""Secrets: made once, kept in files that only their owner may read."""

import os
import secrets
from pathlib import Path

from stack.folder import Folder


def write_private(file: Path, text: str) -> None:
    """Write a file of mode 0600 whole or not at all."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    draft.replace(file)


def secret(folder: Folder, name: str) -> str:
    """The secret of this name: 24 random bytes, url-safe."""
    file = folder.secrets / name
    if not file.exists():
        write_private(file, secrets.token_urlsafe(24))
    return file.read_text()


def signing_keys(folder: Folder) -> Path:
    """The file of the keys that sign access tokens: a JSON Web Key Set with one Ed25519 private key."""
    file = folder.secrets / "signing_keys.json"
    if not file.exists():
        from joserfc.jwk import KeySet, OKPKey

        key = OKPKey.generate_key("Ed25519", {"use": "sig", "alg": "Ed25519", "kid": secrets.token_hex(8)})
        import json

        write_private(file, json.dumps(KeySet([key]).as_dict(private=True)))
    return file
