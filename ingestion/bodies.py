"""The body of a request: read, unpacked and bounded at every step."""

import zlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final

from ingestion.admission import REQUEST_BYTES, Held
from ingestion.problems import Problem, malformed, too_large

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

MAX_BODY_BYTES: Final = 10_000_000
"""As sent, and unpacked."""
MAX_GZIP_MEMBERS: Final = 100
"""Each member costs a copy of what follows it."""

JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"


async def read(receive: Receive, headers: Mapping[bytes, bytes], held: Held) -> bytes:
    """The whole body, unpacked; its bytes are held in `held` as they arrive.

    Raises Problem: 400 broken length or gzip; 408 the sender went away; 413 too large; 415 another encoding; 503 no
    memory. How long it may take is the protocol's to say.
    """
    encoding = headers.get(b"content-encoding", b"identity").strip().lower()
    if encoding not in {b"identity", b"gzip"}:
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send the body plain or as gzip.", accept_encoding="gzip")
    held.grow_to(REQUEST_BYTES + _declared(headers))
    body = await _read_raw(receive, held)
    if encoding == b"gzip":
        unpacked = gunzip(body, MAX_BODY_BYTES)
        held.grow_to(REQUEST_BYTES + len(body) + len(unpacked))
        return unpacked
    return body


def media_type(headers: Mapping[bytes, bytes], allowed: tuple[str, ...]) -> str:
    """The body's media type, one of `allowed`. Raises Problem 415, also for another charset than UTF-8."""
    kind = _media_type(headers.get(b"content-type", b""))
    if kind not in allowed:
        detail = f"Send {' or '.join(allowed)} in UTF-8, and name it in Content-Type."
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail)
    return kind


@lru_cache(maxsize=100)
def _media_type(header: bytes) -> str:
    """The media type of a Content-Type header; empty with another charset than UTF-8."""
    kind, *parameters = header.decode("latin-1").lower().replace(" ", "").split(";")
    charsets = [p.removeprefix("charset=").strip('"') for p in parameters if p.startswith("charset=")]
    return kind if all(charset in {"utf-8", "utf8", "us-ascii"} for charset in charsets) else ""


def _declared(headers: Mapping[bytes, bytes]) -> int:
    text = headers.get(b"content-length", b"0")
    if not text.isdigit():
        raise malformed("Content-Length is not a number.")
    length = int(text[:20])
    if length > MAX_BODY_BYTES:
        raise too_large(f"A body may have {MAX_BODY_BYTES} bytes, this one has {length}; send fewer events at a time.")
    return length


async def _read_raw(receive: Receive, held: Held) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Problem(HTTPStatus.REQUEST_TIMEOUT, "The connection ended before the body did; send it again.")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            raise too_large(f"A body may have {MAX_BODY_BYTES} bytes; send fewer events at a time.")
        held.grow_to(REQUEST_BYTES + size)
        chunks.append(chunk)
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def gunzip(data: bytes, limit: int) -> bytes:
    """Gzip of one or more members -> what is in it; never unpacks more than `limit` bytes.

    Raises Problem: 400 for broken or cut gzip, 413 beyond `limit`.
    """
    out = bytearray()
    for _ in range(MAX_GZIP_MEMBERS):
        if not data:
            return bytes(out)
        member = zlib.decompressobj(wbits=31)
        try:
            out += member.decompress(data, limit + 1 - len(out))
        except zlib.error as error:
            raise malformed(f"The body is not gzip: {error}.") from error
        if len(out) > limit:
            raise too_large(f"The body unpacks to more than {limit} bytes; send fewer events at a time.")
        if not member.eof:
            raise malformed("The gzip body is cut short.")
        data = member.unused_data
    raise malformed(f"The gzip body has more than {MAX_GZIP_MEMBERS} members.")
