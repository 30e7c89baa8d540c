"""What `tallywire up` can be asked for."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """`kafka` is tansu or apache; None: as the last time. `any_ports` takes free ports instead of the usual ones."""

    kafka: str | None = None
    servers_only: bool = False
    any_ports: bool = False
