"""RabbitMQ, Debian's package: a node of its own beside any other, with its own epmd (Erlang's name service)."""

import asyncio
import os
import secrets
from pathlib import Path

import aio_pika
import aiohttp

from stack import keyring
from stack.child import Child, Stage
from stack.ports import HOST
from stack.server import USER, Place, Server
from stack.servers.rabbitmq_program import Program, find, install
from stack.servers.rabbitmq_queues import remove_leaderless

_CONFIG = """listeners.tcp.1 = {host}:{rabbitmq}
default_user = {user}
default_pass = {password}
management.tcp.ip = {host}
management.tcp.port = {rabbitmq_management}
prometheus.tcp.ip = {host}
prometheus.tcp.port = {rabbitmq_metrics}
log.console = true
log.console.level = warning
log.file = false
vm_memory_high_watermark.absolute = 1GB
disk_free_limit.absolute = 200MB
"""


def url(place: Place) -> str:
    """The virtual host `/`."""
    return f"amqp://{USER}:{place.secret('rabbitmq')}@{HOST}:{place.ports['rabbitmq']}/"


async def ready(address: str) -> None:
    """One login, without the client's own retries: the supervisor does those."""
    connection = await aio_pika.connect(address, timeout=5)
    await connection.close()


async def _names(port: int) -> None:
    """epmd answers which nodes it knows."""
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(b"\x00\x01n")
    await asyncio.wait_for(reader.readexactly(4), 2)
    writer.close()
    await writer.wait_closed()


async def _ready_here(place: Place) -> None:
    """The node takes connections, and its management interface answers."""
    port = place.ports["rabbitmq"]
    where = f"http://{HOST}:{place.ports['rabbitmq_management']}/api/health/checks/port-listener/{port}"
    login = aiohttp.BasicAuth(USER, place.secret("rabbitmq"))
    async with (
        aiohttp.ClientSession(auth=login, timeout=aiohttp.ClientTimeout(total=5)) as session,
        session.get(where) as answer,
    ):
        answer.raise_for_status()
    await ready(url(place))


def prepare(place: Place) -> tuple[Child, ...]:
    """Write the configuration; epmd is a child of its own, since the one that RabbitMQ starts outlives everything."""
    program = find(place)
    home = place.folder.root / "rabbitmq"
    _write_files(place, home)
    environment = _environment(place, home, program)
    epmd_port = place.ports["rabbitmq_epmd"]
    epmd = Child(
        name="epmd",
        command=(str(program.epmd), "-port", str(epmd_port), "-address", HOST),
        stage=Stage.LAST,
        address=f"{HOST}:{epmd_port}",
        environment=environment,
        ready=lambda: _names(epmd_port),
    )
    node = Child(
        name="rabbitmq",
        command=(str(program.server),),
        stage=Stage.SERVERS,
        address=f"{HOST}:{place.ports['rabbitmq']}",
        environment=environment,
        ready=lambda: _ready_here(place),
        once_ready=lambda: remove_leaderless(url(place), f"http://{HOST}:{place.ports['rabbitmq_management']}"),
        stop_seconds=30,
    )
    return (epmd, node)


def _write_files(place: Place, home: Path) -> None:
    for name in ("home", "etc", "mnesia", "log", "generated"):
        (home / name).mkdir(mode=0o700, exist_ok=True)
    cookie = home / "home" / ".erlang.cookie"
    if not cookie.exists():
        keyring.write_private(cookie, secrets.token_hex(16))
        cookie.chmod(0o400)
    config = _CONFIG.format(host=HOST, user=USER, password=place.secret("rabbitmq"), **place.ports)
    keyring.write_private(home / "etc" / "rabbitmq.conf", config)
    (home / "etc" / "enabled_plugins").write_text("[rabbitmq_management,rabbitmq_prometheus].\n")
    (home / "etc" / "advanced.config").write_text("[].\n")
    (home / "etc" / "rabbitmq-env.conf").write_text("")


def _environment(place: Place, home: Path, program: Program) -> dict[str, str]:
    """Complete, so that nothing of a system-wide RabbitMQ is used or touched.

    ALLOW_INPUT and -noinput make the start script become the node itself instead of its parent, so that signals and
    the death of the supervisor reach the node.
    """
    etc = home / "etc"
    return {
        "HOME": str(home / "home"),
        "PATH": os.pathsep.join((*map(str, program.path), os.environ.get("PATH", os.defpath))),
        "LC_ALL": "C.UTF-8",
        "ERL_EPMD_PORT": str(place.ports["rabbitmq_epmd"]),
        "ERL_EPMD_ADDRESS": HOST,
        "ERL_CRASH_DUMP": "/dev/null",
        "RABBITMQ_NODENAME": "tallywire@localhost",
        "RABBITMQ_DIST_PORT": str(place.ports["rabbitmq_nodes"]),
        "RABBITMQ_CONF_ENV_FILE": str(etc / "rabbitmq-env.conf"),
        "RABBITMQ_CONFIG_FILE": str(etc / "rabbitmq.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(etc / "advanced.config"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(etc / "enabled_plugins"),
        "RABBITMQ_GENERATED_CONFIG_DIR": str(home / "generated"),
        "RABBITMQ_MNESIA_BASE": str(home / "mnesia"),
        "RABBITMQ_LOG_BASE": str(home / "log"),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_PID_FILE": str(home / "pid"),
        "RABBITMQ_ALLOW_INPUT": "1",
        "RABBITMQ_SERVER_START_ARGS": "-noinput",
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none"
        " -kernel inet_dist_use_interface {127,0,0,1}",
    }


PORTS = ("rabbitmq", "rabbitmq_management", "rabbitmq_metrics", "rabbitmq_nodes", "rabbitmq_epmd")
SERVER = Server("rabbitmq", "rabbitmq_url", PORTS, url, install, prepare, ready)
