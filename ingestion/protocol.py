"""uvicorn's HTTP protocol with a bound on what comes before a body, which neither it nor its parser has."""

from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES: Final = 64 * 1024


class BoundedProtocol(HttpToolsProtocol):
    """Hangs up on a request whose line and headers go on for MAX_HEAD_BYTES; the read in which they begin is free."""

    _in_head = True
    _head_began = True
    _head_bytes = 0

    def data_received(self, data: bytes) -> None:
        """Feed the parser; a head that was there before and still is not complete has grown by all of this."""
        self._head_began = False
        super().data_received(data)
        if self._in_head and not self._head_began:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
                self.send_400_response("The request's headers are too long.")

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """What follows is the next request's head."""
        self._in_head = self._head_began = True
        self._head_bytes = 0
        super().on_message_complete()
