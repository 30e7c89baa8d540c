"""The TALLYWIRE_* variables of a running system, for commands that want to reach it."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from stack import state
from stack.errors import Refused
from stack.folder import folder_at

if TYPE_CHECKING:
    from wire.settings import Settings

PREFIX: Final = "TALLYWIRE_"


def variable(setting: str) -> str:
    """A field of wire.settings -> its environment variable."""
    return PREFIX + setting.upper()


def variables(data: Path | None = None) -> dict[str, str]:
    """The TALLYWIRE_* variables of the system in this data folder. Raises Refused where none was ever started."""
    folder = folder_at(data)
    known = state.read(folder)
    if known is None or not known.environment:
        raise Refused(f"Nothing was started in {folder.root} yet: run `make up`, or `tallywire up`")
    return known.environment


def load(data: Path | None = None) -> "Settings":
    """The settings of the system in this data folder; where none was ever started there, those of the TALLYWIRE_*
    variables, if there are any. Raises Refused as `variables` does."""
    from wire.settings import Settings

    if state.read(folder_at(data)) is None and variable("clickhouse_url") in os.environ:
        return Settings()
    known = variables(data)
    fields = {name: known[variable(name)] for name in Settings.model_fields if variable(name) in known}
    return Settings.model_validate(fields)


def own() -> dict[str, str]:
    """The environment of this process; compiled modules are kept, or five services would compile all at every start."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def without_ours() -> dict[str, str]:
    """The environment of this process less the TALLYWIRE_* variables: servers need none of them."""
    return {name: value for name, value in own().items() if not name.startswith(PREFIX)}
