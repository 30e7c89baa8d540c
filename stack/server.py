"""What every server file answers."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from stack import keyring
from stack.child import Child
from stack.folder import Folder

USER: Final = "tallywire"


@dataclass(frozen=True)
class Place:
    """Where a system is: its folder and its ports."""

    folder: Folder
    ports: Mapping[str, int]

    def secret(self, name: str) -> str:
        """A secret of this system, made when first asked for."""
        return keyring.secret(self.folder, name)


@dataclass(frozen=True)
class Server:
    """A server. `setting` is the field of wire.settings that holds its address; where the environment gives that
    address, nothing is started, and `ready` is asked whether it answers.

    `install` fetches a missing program and says what it does through its argument; `prepare` writes configuration and
    first data; both may take a while and raise Refused. `ready` logs in, and raises until that works.
    """

    name: str
    setting: str
    ports: tuple[str, ...]
    url: Callable[[Place], str]
    install: Callable[[Place, Callable[[str], None]], None]
    prepare: Callable[[Place], tuple[Child, ...]]
    ready: Callable[[str], Awaitable[None]]


def no_install(_place: Place, _say: Callable[[str], None]) -> None:
    """Comes with the Python packages."""
