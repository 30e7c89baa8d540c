"""Which port each listener has: the usual one, or a free one that is chosen once and kept."""

import socket
from collections.abc import Iterable, Mapping
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


def is_free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def choose(
    names: Iterable[str], kept: Mapping[str, int], *, any_free: bool = False
) -> tuple[dict[str, int], list[str]]:
    """Ports by name, and a sentence for each that is not where it used to be.

    A kept port stays while it is free; otherwise the usual one, otherwise any. `any_free` skips the usual ones.
    """
    chosen: dict[str, int] = {}
    notes: list[str] = []
    for name in names:
        wanted = kept.get(name) or (0 if any_free else USUAL[name])
        if wanted and wanted not in chosen.values() and is_free(wanted):
            chosen[name] = wanted
            continue
        chosen[name] = _any_free(chosen.values())
        if wanted:
            notes.append(f"port {wanted} is taken: {name} listens on {chosen[name]} from now on")
    return chosen, notes


def _any_free(taken: Iterable[int]) -> int:
    """A free port outside the range from which the system gives ports to connections, so that it stays free."""
    avoid = {*taken, *USUAL.values()}
    return next(port for port in _candidates() if port not in avoid and is_free(port))


def _candidates() -> Iterable[int]:
    import random

    below_ephemeral = range(10_000, 32_000)
    while True:
        yield random.choice(below_ephemeral)  # noqa: S311 — a port, not a secret
