"""`python -m ingestion`: the collector under uvicorn, until SIGTERM or SIGINT."""

import gc
import signal
from typing import Final

import uvicorn

from ingestion.app import App
from ingestion.collector import collector
from ingestion.protocol import BoundedProtocol
from wire import telemetry
from wire.settings import settings

DEFAULT_PORT: Final = 8401


def main() -> None:
    """Serve; what was accepted is in Kafka before the process ends."""
    log = telemetry.start("ingestion")
    config = uvicorn.Config(
        App(collector(settings())),
        host=settings().host,
        port=settings().port or DEFAULT_PORT,
        loop="uvloop",
        http=BoundedProtocol,
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=30,
    )
    for ending in (signal.SIGTERM, signal.SIGINT):
        # uvicorn takes the signal first, and raises it again at its end: by then there is nothing left to end.
        signal.signal(ending, lambda *_: None)
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    log.info("the collector starts", port=config.port)
    server = uvicorn.Server(config)
    server.run()
    if not server.started:
        raise SystemExit(1)
    log.info("the collector has ended")


if __name__ == "__main__":
    main()
