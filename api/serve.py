"""Serving HTTP with uvicorn, which ends well: told to stop, it finishes what it is doing and exits with 0."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from api.app import create_app
from wire.settings import Settings

PORT = 8400


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Uvicorn's own way raises the signal again at the end, so that a wanted end looks like a crash."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, setattr, self, "should_exit", True)
        yield


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Raises SystemExit where it cannot start: a taken port, a door that is missing."""
    config = uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.port or PORT,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_graceful_shutdown=10,
    )
    server = _Server(config)
    server.run()
    if not server.started:
        raise SystemExit(f"the API did not start on {config.host}:{config.port}; the log says why")
