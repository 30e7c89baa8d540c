"""What must be refused, at the door and in the log itself."""

import asyncio
import gzip
import io
import json
import zlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from random import Random
from typing import Final
from uuid import UUID

import aiohttp
import msgspec
import pyarrow as pa

from tests.faults.load import Organization
from wire import envelope
from wire.commands import PUBLISH_CONTENT, RECORD_ENGAGEMENT, RECORD_SNAPSHOTS, SCORE_CONTENT, Command
from wire.ids import new_id, partition
from wire.topics import CONTENT, EVENTS, FINDINGS, REJECTIONS, SNAPSHOTS, Topic

JSON: Final = {"Content-Type": "application/json"}
LINES: Final = {"Content-Type": "application/x-ndjson"}
GZIP: Final = {**JSON, "Content-Encoding": "gzip"}
EVENT: Final = '{"id": "%s", "content_id": "%s", "kind": "view", "platform": "web", "value": %s}'


def bodies(organization: Organization) -> dict[str, tuple[dict[str, str], bytes, int]]:
    """Bodies that hold nothing good, by name: headers, bytes, and the status that each must be answered."""
    event = EVENT % (new_id(), organization.pieces[0], "1")
    return {
        "nothing": (JSON, b"", 400),
        "no JSON": (JSON, b"hello", 400),
        "cut JSON": (JSON, f"[{event}"[:-5].encode(), 400),
        "a number": (JSON, b"7", 400),
        "wrong UTF-8": (JSON, f"[{event}]".encode().replace(b"view", b"\xff\xfe"), 400),
        "deep nesting": (JSON, b"[" * 200_000 + b"]" * 200_000, 400),
        "deep nesting within": (JSON, b'[{"attributes":' + b"[" * 200_000 + b"]" * 200_000 + b"}]", 400),
        "NaN": (JSON, f"[{EVENT % (new_id(), organization.pieces[0], 'NaN')}]".encode(), 400),
        "NUL": (JSON, b"\0" * 1000, 400),
        "not gzip": (GZIP, event.encode(), 400),
        "cut gzip": (GZIP, gzip.compress(f"[{event}]".encode())[:-9], 400),
        "a gzip bomb": (GZIP, _bomb(), 413),
        "too many events": (JSON, b"[" + b",".join([b"{}"] * 10_001) + b"]", 413),
        "11 MB": (JSON, b" " * 11_000_000, 413),
        "another type": ({"Content-Type": "text/csv"}, b"a,b", 415),
        "another charset": ({"Content-Type": "application/json; charset=utf-16"}, event.encode("utf-16"), 415),
        "another encoding": ({**JSON, "Content-Encoding": "br"}, event.encode(), 415),
    }


def _bomb() -> bytes:
    squeezed = zlib.compressobj(9, wbits=31)
    return squeezed.compress(b" " * 50_000_000) + squeezed.flush()


async def post(door: str, organization: Organization, headers: dict[str, str], body: bytes) -> int:
    """The status of the answer; 0 where the collector hung up while it was still being sent to."""
    known = {**headers, "Authorization": f"Bearer {organization.key}"}
    async with aiohttp.ClientSession() as session:
        try:
            async with session.post(f"{door}/v1/events", data=io.BytesIO(body), headers=known) as answer:
                return answer.status
        except (aiohttp.ClientError, OSError):
            return 0


async def endless(door: str, organization: Organization, size: int) -> int:
    """A body of `size` bytes that does not say how long it is."""

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(size // 65_536):
            yield b" " * 65_536
            await asyncio.sleep(0)

    known = {**JSON, "Authorization": f"Bearer {organization.key}"}
    async with aiohttp.ClientSession() as session:
        try:
            async with session.post(f"{door}/v1/events", data=chunks(), headers=known) as answer:
                return answer.status
        except (aiohttp.ClientError, OSError):
            return 0


def messages(random: Random, organization: Organization) -> list[tuple[Topic, int, bytes]]:
    """Messages that no collector and no bridge writes: topic, partition and value. Each must be refused."""
    partition_, envelope_ = _one_event(organization)
    other = pa.schema([pa.field("surprise", pa.int64())])
    of_no_event = envelope.decode(envelope_).set_column(2, "id", pa.array([b"\xff" * 16], envelope.UUID_BYTES))
    undecodable = (
        b"",
        b"\0",
        random.randbytes(500),
        random.randbytes(5_000_000),
        b"\xff\xfe wrong UTF-8",
        json.dumps([{"id": str(new_id())}]).encode(),
        b"[" * 100_000,
        envelope_[: len(envelope_) // 2],
        _stream(other, [pa.record_batch([pa.array([1])], schema=other)]),
        _stream(envelope.SCHEMA, []),
    )
    found = [(EVENTS, random.randrange(EVENTS.partitions), value) for value in undecodable]
    found.append((EVENTS, partition_, envelope.encode(of_no_event.cast(envelope.SCHEMA))))
    found.append((EVENTS, (partition_ + 1) % EVENTS.partitions, envelope_))
    for garbage in (b"", b"\xff\0", b"{", b"[" * 100_000, b'[{"id": NaN}]', random.randbytes(1000)):
        for topic in (SNAPSHOTS, REJECTIONS, CONTENT, FINDINGS):
            found.append((topic, random.randrange(topic.partitions), garbage))  # noqa: PERF401 — plainer so
    random.shuffle(found)
    return found


def commands(random: Random, organization: Organization) -> list[Command]:
    """Commands that decode and that no handler can carry out, all about one thing."""
    kinds = (SCORE_CONTENT, RECORD_ENGAGEMENT, RECORD_SNAPSHOTS, PUBLISH_CONTENT, "content.explode")
    payloads = (b"{}", b"[]", b'{"updates": 7}', b'{"content_id": "x"}')
    key = f"poison-{random.getrandbits(64):x}"
    return [
        Command(
            id=new_id(),
            type=kind,
            organization_id=UUID(organization.id),
            key=key,
            issued_at=datetime.now(UTC),
            payload=msgspec.Raw(payload),
        )
        for kind in kinds
        for payload in payloads
    ]


def _one_event(organization: Organization) -> tuple[int, bytes]:
    """A good envelope and its partition."""
    content = UUID(organization.pieces[0])
    event = {
        "organization_id": UUID(organization.id).bytes,
        "content_id": content.bytes,
        "id": new_id().bytes,
        "kind": 0,
        "platform": "web",
        "robot": False,
        "value": 0,
        "actor": "",
        "attributes": "",
        "received_at": datetime.now(UTC),
    }
    return partition(content, EVENTS.partitions), envelope.encode(
        pa.RecordBatch.from_pylist([event], schema=envelope.SCHEMA)
    )


def _stream(schema: pa.Schema, batches: list[pa.RecordBatch]) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    written: bytes = sink.getvalue().to_pybytes()
    return written
