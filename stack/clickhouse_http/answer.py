"""An answer: an insert's summary, a result in one piece, or a result that streams."""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from tempfile import NamedTemporaryFile
from typing import Final

from aiohttp import web
from chdb.state.sqlitelike import Connection, StreamingResult

from stack.clickhouse_http.body import BLOCK_BYTES
from stack.clickhouse_http.compression import Encoder, encoder
from stack.clickhouse_http.engine import Engine, literal
from stack.clickhouse_http.errors import ClickHouseError
from stack.clickhouse_http.question import Question
from stack.clickhouse_http.spool import LARGEST
from stack.clickhouse_http.statement import Statement

_FORMATS = (
    "native tabseparated tsv tabseparatedraw tsvraw csv jsoneachrow rowbinary jsoncompacteachrow jsonstringseachrow"
    " values"
)
STREAMABLE: Final = frozenset(_FORMATS.split())
"""Formats whose pieces, one after the other, are the whole; every other result is made in one piece."""

CONTENT_TYPES: Final = {
    "json": "application/json",
    "jsoncompact": "application/json",
    "jsonstrings": "application/json",
    "jsoneachrow": "application/x-ndjson",
    "csv": "text/csv; charset=UTF-8",
    "csvwithnames": "text/csv; charset=UTF-8",
    "tabseparated": "text/tab-separated-values; charset=UTF-8",
    "native": "application/octet-stream",
    "arrow": "application/octet-stream",
    "arrowstream": "application/octet-stream",
    "parquet": "application/octet-stream",
    "rowbinary": "application/octet-stream",
}


@dataclass
class Answering:
    """What it takes to answer one question."""

    engine: Engine
    handle: Connection
    question: Question
    headers: dict[str, str]
    started_ns: int = field(default_factory=time.monotonic_ns)

    def summary(self, **figures: int) -> Mapping[str, str]:
        """The headers, with X-ClickHouse-Summary."""
        known = {**figures, "elapsed_ns": time.monotonic_ns() - self.started_ns}
        return {**self.headers, "X-ClickHouse-Summary": json.dumps({name: str(n) for name, n in known.items()})}

    async def insert(self, into: str, rest: str, first: bytes) -> web.Response:
        """Store the body, all of it or, where anything fails, nothing. `into` ends with the table and its columns.

        chDB's own streaming inserts do not tell when storing the rows fails, so it reads what has come whole.
        """
        async with self._body(first) as (path, size):
            sql = f"{into} FROM INFILE {literal(path)} COMPRESSION 'none' {rest}"
            result = await self.engine.run(self.handle.query, sql)
        rows = result.rows_read()
        return web.Response(headers=self.summary(read_rows=rows, written_rows=rows, written_bytes=size))

    @asynccontextmanager
    async def _body(self, first: bytes) -> AsyncIterator[tuple[str, int]]:
        """Where the body is that begins with `first`, and its size."""
        body = self.question.body
        size = len(first) + (LARGEST if body.left is None else body.left)
        if size < LARGEST:
            with self.engine.spools.one() as spool:
                room = spool.room(size)
                room[: len(first)] = first
                await body.into(room[len(first) :])
                yield spool.path, size
            return
        with NamedTemporaryFile(prefix="tallywire-insert-") as file:
            block = first or await body.block()
            while block:
                await self.engine.run(file.write, block)
                block = await body.block()
            await self.engine.run(file.flush)
            yield file.name, file.tell()

    async def select(self, request: web.Request, sql: str, statement: Statement) -> web.StreamResponse:
        """Run any other statement; a result in a streamable format begins to leave before it is complete."""
        format_ = statement.format or self.question.format
        self.headers["X-ClickHouse-Format"] = format_
        self.headers["Content-Type"] = CONTENT_TYPES.get(format_.lower(), "text/plain; charset=UTF-8")
        if statement.word not in (b"SELECT", b"WITH") or format_.lower() not in STREAMABLE:
            result = await self.engine.run(self.handle.query, sql, format_, params=dict(self.question.parameters))
            rows = result.storage_rows_read() or result.rows_read()
            return self._whole(bytes(result.bytes()), read_rows=rows, result_rows=result.rows_read())
        stream = await self.engine.run(self.handle.send_query, sql, format_, params=dict(self.question.parameters))
        try:
            first, rows, more = await self.engine.run(_pull, stream)
            return await self._stream(request, stream, first) if more else self._whole(first, result_rows=rows)
        finally:
            await asyncio.shield(self.engine.run(stream.cancel))

    def _whole(self, data: bytes, **figures: int) -> web.Response:
        headers = dict(self.summary(written_rows=0, **figures))
        packed = encoder(self.question.accepted)
        if packed and data:
            headers["Content-Encoding"] = packed.encoding
            data = packed.piece(data) + packed.finish()
        return web.Response(body=data, headers=headers)

    async def _stream(self, request: web.Request, stream: StreamingResult, first: bytes) -> web.StreamResponse:
        packed = encoder(self.question.accepted) or Encoder("", bytes, bytes)
        tag = secrets.token_hex(8)
        headers = {**self.headers, "X-ClickHouse-Exception-Tag": tag}
        response = web.StreamResponse(
            headers=headers | ({"Content-Encoding": packed.encoding} if packed.encoding else {})
        )
        response.enable_chunked_encoding()
        await response.prepare(request)
        data, more = first, True
        try:
            while data:
                await response.write(packed.piece(data))
                data, _, more = await self.engine.run(_pull, stream) if more else (b"", 0, False)
            await response.write(packed.finish())
            await response.write_eof()
        except ClickHouseError as error:
            await response.write(packed.piece(_late_error(str(error), tag)) + packed.finish())
            if request.transport:
                request.transport.close()
        return response


def _late_error(message: str, tag: str) -> bytes:
    """How ClickHouse says, after a 200, that the result broke off: a tagged block, then a torn stream."""
    return f"\r\n__exception__\r\n{tag}\r\n{message}\r\n{len(message)} {tag}\r\n__exception__\r\n".encode()


def _pull(stream: StreamingResult) -> tuple[bytes, int, bool]:
    """The next block of about a megabyte, its rows, and whether there may be more."""
    pieces: list[bytes] = []
    size = rows = 0
    while size < BLOCK_BYTES:
        piece = stream.fetch()
        data = bytes(piece.bytes()) if piece is not None else b""
        if not data:
            return b"".join(pieces), rows, False
        pieces.append(data)
        size += len(data)
        rows += piece.rows_read()
    return b"".join(pieces), rows, True
