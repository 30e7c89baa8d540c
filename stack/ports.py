"""Which port each listener has: the usual one, or a free one that is chosen once and kept."""

import socket
from collections.abc import Callable, Iterable, Mapping
from typing import Final

HOST: Final = "127.0.0.1"

USUAL: Final = {
    "api": 8400,
    "ingestion": 8401,
    "api_metrics": 8410,
    "worker_metrics": 8411,
    "ingestion_metrics": 8412,
    "bridges_metrics": 8413,
    "streams_metrics": 8414,
    "verify_metrics": 8415,
    "clickhouse": 8423,
    "postgres": 8432,
    "rabbitmq": 8472,
    "rabbitmq_management": 8473,
    "rabbitmq_metrics": 8474,
    "rabbitmq_nodes": 8475,
    "rabbitmq_epmd": 8476,
    "valkey": 8479,
    "kafka": 8492,
    "kafka_controller": 8493,
}


Hold = Callable[[socket.socket], object]
"""Keeps a socket open for as long as its port is wanted: `enter_context` of an ExitStack."""


def choose(
    names: Iterable[str], kept: Mapping[str, int], hold: Hold, *, any_free: bool = False
) -> tuple[dict[str, int], list[str]]:
    """Ports by name, and a sentence for each that is not where it used to be.

    A kept port stays while it is free; otherwise the usual one, otherwise any. `any_free` skips the usual ones. While
    what was given to `hold` is open, nobody who chooses here is given any of them, though nothing listens there yet.
    """
    chosen: dict[str, int] = {}
    notes: list[str] = []
    for name in names:
        wanted = kept.get(name) or (0 if any_free else USUAL[name])
        if wanted and wanted not in chosen.values() and _held(wanted, hold, reuse=True):
            chosen[name] = wanted
            continue
        chosen[name] = free(hold)
        if wanted:
            notes.append(f"port {wanted} is taken: {name} listens on {chosen[name]} from now on")
    return chosen, notes


def free(hold: Hold) -> int:
    """A port on which nothing listens, and which is nobody else's while what was given to `hold` is open.

    It is not a usual one, and outside the range from which the system gives ports to connections: so it stays free.
    """
    return next(port for port in _candidates() if port not in USUAL.values() and _held(port, hold, reuse=False))


def _held(port: int, hold: Hold, *, reuse: bool) -> bool:
    """Whether a server could listen there now; if so, the port is held, and a server may still listen there.

    Without `reuse`, not where another holds it, nor where connections of a server that has ended are still remembered.
    """
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
    try:
        holder.bind((HOST, port))
    except OSError:
        holder.close()
        return False
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, True)
    hold(holder)
    return True


def _candidates() -> Iterable[int]:
    import random

    below_ephemeral = range(10_000, 32_000)
    while True:
        yield random.choice(below_ephemeral)  # noqa: S311 — a port, not a secret
