"""`python -m bridges [NAME]`: all bridges in one process, or one of them."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, Never

from bridges import kafka_to_rabbitmq, outbox_to_rabbitmq, rabbitmq_to_kafka
from bridges.sessions import keep
from wire import telemetry
from wire.settings import Settings, settings

Session = Callable[[Settings, Callable[[], None]], Awaitable[Never]]

BRIDGES: Final[dict[str, Session]] = {
    "outbox_to_rabbitmq": outbox_to_rabbitmq.session,
    "rabbitmq_to_kafka": rabbitmq_to_kafka.session,
    "kafka_to_rabbitmq": kafka_to_rabbitmq.session,
}


async def run(names: list[str]) -> None:
    """Keep these bridges up until cancelled; the ready file appears once each has been up."""
    ready_file = settings().state_dir / f"{settings().worker_name}.ready"
    waiting_for = set(names)

    def ready(name: str) -> None:
        waiting_for.discard(name)
        if not waiting_for:
            ready_file.parent.mkdir(parents=True, exist_ok=True)
            ready_file.touch()

    async with asyncio.TaskGroup() as tasks:
        for name in names:
            tasks.create_task(keep(name, partial(BRIDGES[name], settings(), partial(ready, name))))


async def main(names: list[str]) -> None:
    """Run until SIGTERM or SIGINT, then close every door."""
    log = telemetry.start("bridges")
    running = asyncio.create_task(run(names))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel)
    log.info("started", bridges=names)
    await asyncio.wait([running])
    if not running.cancelled():
        running.result()
    log.info("stopped")


if __name__ == "__main__":
    chosen = sys.argv[1:] or list(BRIDGES)
    if unknown := [name for name in chosen if name not in BRIDGES]:
        raise SystemExit(f"there is no bridge {', '.join(unknown)}; there are {', '.join(BRIDGES)}")
    asyncio.run(main(chosen))
