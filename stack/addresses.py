"""Which addresses a system uses: its own servers', or those that the environment gives."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit

from stack import keyring
from stack.environment import PREFIX, variable
from stack.ports import HOST
from stack.server import Place, Server
from stack.servers import servers
from stack.state import State

ROLES: Final = {
    "postgres_app_url": "tallywire_app",
    "postgres_relay_url": "tallywire_relay",
    "postgres_import_url": "tallywire_import",
}
"""Addresses that differ from the owner's by role only; the migrations give the roles their passwords."""


def given(before: State, environment: Mapping[str, str]) -> dict[str, str]:
    """The TALLYWIRE_* variables that somebody set, without those that merely repeat what we chose the last time (as
    they do in a shell that has read `tallywire env`)."""
    return {
        name: value
        for name, value in environment.items()
        if name.startswith(PREFIX) and value and (name in before.given or before.environment.get(name) != value)
    }


def external(server: Server, given: Mapping[str, str]) -> str | None:
    """The address that was given for a server, which is then not started."""
    return given.get(variable(server.setting))


def assemble(place: Place, kafka: str, given: Mapping[str, str]) -> dict[str, str]:
    """Every TALLYWIRE_* variable of the system; one that is given wins."""
    fields = {server.setting: external(server, given) or server.url(place) for server in servers(kafka)}
    for setting, role in ROLES.items():
        fields[setting] = as_role(fields["postgres_url"], role, place.secret(role))
    fields |= {
        "api_url": f"http://{HOST}:{place.ports['api']}",
        "ingestion_url": f"http://{HOST}:{place.ports['ingestion']}",
        "signing_keys_file": str(keyring.signing_keys(place.folder)),
        "encryption_keys": place.secret("encryption_key"),
        "state_dir": str(place.folder.run),
    }
    return {variable(setting): value for setting, value in fields.items()} | dict(given)


def as_role(url: str, role: str, password: str) -> str:
    """The same database, entered as another role."""
    at = urlsplit(url)
    where = at.netloc.rpartition("@")[2]
    return urlunsplit(at._replace(netloc=f"{role}:{quote(password, safe='')}@{where}"))
