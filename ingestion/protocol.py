"""uvicorn's HTTP protocol with bounds that neither it nor its parser has: on what comes before a body, and on time."""

import asyncio
from http import HTTPStatus
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ingestion.problems import Problem

MAX_HEAD_BYTES: Final = 64 * 1024
READ_TIMEOUT_S: Final = 30
"""From a request's first byte, or the connection's beginning, to the request's last byte."""

_TOO_SLOW: Final = Problem(
    HTTPStatus.REQUEST_TIMEOUT, f"The request did not arrive within {READ_TIMEOUT_S} s.", connection="close"
).answer()


class BoundedProtocol(HttpToolsProtocol):
    """Hangs up on a request whose line and headers go on for MAX_HEAD_BYTES; the read in which they begin is free.

    And on one that has not arrived within READ_TIMEOUT_S; a timer runs only while a request is there in part.
    """

    _in_head = True
    _head_began = True
    _head_bytes = 0
    _is_whole = False
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """The first request is awaited from now on; later ones have uvicorn's time to keep alive."""
        super().connection_made(transport)
        self._deadline = self.loop.call_later(READ_TIMEOUT_S, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is awaited any more."""
        self._forget_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser; a head that was there before and still is not complete has grown by all of this."""
        self._head_began = False
        super().data_received(data)
        if self._is_whole or self.transport.is_closing():
            return
        if self._deadline is None:
            self._deadline = self.loop.call_later(READ_TIMEOUT_S, self._too_slow)
        if self._in_head and not self._head_began:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self.send_400_response("The request's headers are too long.")

    def on_message_begin(self) -> None:
        """A request's first byte."""
        self._is_whole = False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """What follows is the next request's head."""
        self._in_head = self._head_began = self._is_whole = True
        self._head_bytes = 0
        self._forget_deadline()
        super().on_message_complete()

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        """Hang up, and say why where the next answer is this request's."""
        if self.transport.is_closing():
            return
        cycle = self.cycle
        if not self.pipeline and (
            cycle is None or (cycle.response_complete if self._in_head else not cycle.response_started)
        ):
            head = f"HTTP/1.1 {_TOO_SLOW.status} Request Timeout\r\ncontent-length: {len(_TOO_SLOW.body)}\r\n"
            head += "".join(f"{name.decode()}: {value.decode()}\r\n" for name, value in _TOO_SLOW.headers)
            self.transport.write(head.encode() + b"\r\n" + _TOO_SLOW.body)
        self.transport.close()
