"""What is asked of the ledger and of what was read of the log, one a file."""

from functools import cache
from importlib.resources import files


@cache
def statement(name: str) -> str:
    """The text of `name`.sql."""
    return (files(__name__) / f"{name}.sql").read_text()
