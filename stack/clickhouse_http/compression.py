"""Content encodings, both ways: what clickhouse-connect and curl use."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import lz4.frame
import zstandard

from stack.clickhouse_http.errors import NOT_IMPLEMENTED, refusal

Step = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Encoder:
    """Compresses a stream piece by piece; `finish` gives its tail."""

    encoding: str
    piece: Step
    finish: Callable[[], bytes]


def decoder(encoding: str) -> Step:
    """A request's Content-Encoding -> what undoes it, piece by piece. Raises ClickHouseError 48 for an unknown one."""
    match encoding.lower():
        case "" | "identity":
            return bytes
        case "lz4":
            return _lz4_decoder()
        case "zstd":
            return zstandard.ZstdDecompressor().decompressobj().decompress
        case "gzip" | "deflate":
            return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress
    raise refusal(NOT_IMPLEMENTED, "NOT_IMPLEMENTED", f"Unknown Content-Encoding {encoding}.")


def encoder(accepted: str) -> Encoder | None:
    """A request's Accept-Encoding -> the first of lz4, zstd, gzip that it takes, or None."""
    names = {part.partition(";")[0].strip().lower() for part in accepted.split(",")}
    return next((make() for name, make in _ENCODERS.items() if name in names), None)


def _lz4_decoder() -> Step:
    frames = lz4.frame.LZ4FrameDecompressor()

    def piece(data: bytes) -> bytes:
        decoded: bytes = frames.decompress(data) if data else b""
        return decoded

    return piece


def _lz4() -> Encoder:
    frame = lz4.frame.LZ4FrameCompressor()
    head = [frame.begin()]

    def begun() -> bytes:
        return head.pop() if head else b""

    return Encoder("lz4", lambda data: begun() + frame.compress(data), lambda: begun() + frame.flush())


def _zstd() -> Encoder:
    stream = zstandard.ZstdCompressor(level=1).compressobj()
    return Encoder("zstd", stream.compress, stream.flush)


def _gzip() -> Encoder:
    stream = zlib.compressobj(1, wbits=zlib.MAX_WBITS | 16)
    return Encoder("gzip", stream.compress, stream.flush)


_ENCODERS = {"lz4": _lz4, "zstd": _zstd, "gzip": _gzip}
