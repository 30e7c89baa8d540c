"""A request's body: decompressed piece by piece, or from the socket straight into memory that is there."""

import asyncio
from typing import Final

from aiohttp import web

from stack.clickhouse_http.compression import Step, decoder
from stack.clickhouse_http.errors import BAD_ARGUMENTS, refusal

BLOCK_BYTES: Final = 1 << 20
IS_LAST: Final = web.RequestKey("is_last", bool)
"""Set in a request after which the connection can take no other."""


class Body:
    """The body of a request; `none` where the request has one, but not for the statement."""

    def __init__(self, request: web.Request, *, none: bool = False) -> None:
        encoding = request.headers.get("Content-Encoding", "")
        self._stream = None if none else request.content
        self._request = request
        self._decode: Step = decoder(encoding)
        self.left = None if none or encoding else request.content_length
        """Bytes that are still to come; None where that is not known."""

    async def block(self) -> bytes:
        """The next bytes, about a megabyte; nothing at the end."""
        blocks: list[bytes] = []
        size = 0
        while self._stream is not None and size < BLOCK_BYTES:
            data = await self._stream.readany()
            if not data:
                self._stream = None
                break
            if self.left is not None:
                self.left -= len(data)
            try:
                blocks.append(self._decode(data))
            except Exception as error:
                raise refusal(BAD_ARGUMENTS, "BAD_ARGUMENTS", f"The body does not decompress: {error}.") from error
            size += len(blocks[-1])
        return b"".join(blocks)

    async def rest(self) -> bytes:
        """Everything that is left."""
        blocks = []
        while block := await self.block():
            blocks.append(block)
        return b"".join(blocks)

    async def into(self, room: memoryview) -> None:
        """What is left, into room for just that. Raises ConnectionError where it breaks off."""
        at = 0
        while self._stream is not None and at < len(room) and (data := self._stream.read_nowait()):
            room[at : at + len(data)] = data
            at += len(data)
        if self._stream is not None and at < len(room):
            self._request[IS_LAST] = True
            if self._request.transport is None:
                raise ConnectionResetError("the client has hung up")
            await _receive(self._request.transport, room[at:])
            self._stream.feed_eof()
        self.left = 0


async def _receive(transport: asyncio.Transport, room: memoryview) -> None:
    """aiohttp would make every piece anew three times; while this runs it hears of nothing but the end."""
    receiver = _Receiver(transport, room)
    transport.set_protocol(receiver)
    transport.resume_reading()
    try:
        await receiver.full
    finally:
        transport.set_protocol(receiver.back)


class _Receiver(asyncio.BufferedProtocol):
    def __init__(self, transport: asyncio.Transport, room: memoryview) -> None:
        self.back = transport.get_protocol()
        self.full = asyncio.get_running_loop().create_future()
        self._transport = transport
        self._room = room

    def get_buffer(self, _sizehint: int) -> memoryview:
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        self._room = self._room[nbytes:]
        if not self._room:
            self._transport.set_protocol(self.back)
            self.full.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self.back.connection_lost(exc)
        if not self.full.done():
            self.full.set_exception(exc or ConnectionResetError("the client has hung up"))
