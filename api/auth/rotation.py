"""Changing the keys that sign access tokens while processes serve: add, use, retire (docs/signing-in.md says when).

The first key of the file signs, every key of it verifies. Processes read the file when they start.
"""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Literal

from joserfc.jwk import Key, KeySet

from api.auth.tokens import new_key_set, read_key_file

Step = Literal["add", "use", "retire"]


def _add(keys: list[Key]) -> list[Key]:
    return [*keys, *KeySet.import_key_set(json.loads(new_key_set())).keys]


def _use(keys: list[Key]) -> list[Key]:
    return [keys[-1], *keys[:-1]]


def _retire(keys: list[Key]) -> list[Key]:
    return keys[:1]


STEPS: Final[Mapping[Step, Callable[[list[Key]], list[Key]]]] = {"add": _add, "use": _use, "retire": _retire}


def rotate(path: Path | None, step: Step) -> list[str]:
    """Take a step on the key file, whole or not at all; answers the key ids, the signing one first.

    Raises ValueError where there is no key file.
    """
    keys = KeySet(STEPS[step](list(read_key_file(path).keys)))
    assert path is not None
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(keys.as_dict(private=True), file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    return [str(key.kid) for key in keys.keys]
