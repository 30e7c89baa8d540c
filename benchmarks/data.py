"""Events as they happen: few pieces that many read, in the order of time; from a seed, so that all get the same."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from wire import envelope, ids
from wire.events import KINDS

Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]

PLATFORMS: Final = ("web", "x", "facebook", "linkedin", "email", "rss")
ZIPF: Final = 1.3
READERS: Final = 100_000
COUNTRIES: Final = ("AT", "BR", "CA", "CH", "DE", "ES", "FR", "GB", "IN", "IT", "JP", "NL", "PL", "SE", "SG", "US")
DEVICES: Final = ("desktop", "phone", "tablet")
ATTRIBUTES: Final = tuple(
    f'{{"country":"{country}","device":"{device}"}}' for country in COUNTRIES for device in DEVICES
)


@dataclass(frozen=True)
class Happened:
    """n events of one organization, in the order of their times; the columns are as long as each other."""

    organization_id: bytes
    contents: Bytes
    """(pieces, 16)"""
    content: Numbers
    """rows of `contents`"""
    id: Bytes
    """(n, 16), UUIDv7 of `at_ms`"""
    at_ms: Numbers
    kind: Numbers
    platform: Numbers
    robot: npt.NDArray[np.bool_]
    value: Numbers
    actor: Numbers
    attributes: Numbers

    def __len__(self) -> int:
        return len(self.at_ms)

    def partition(self, partitions: int) -> npt.NDArray[np.uint32]:
        """The partition of each event."""
        return ids.partitions(*ids.words(self.contents), partitions)[self.content]


def happened(
    events: int, pieces: int, *, seed: int, until_ms: int, over_s: int = 600, contents: Bytes | None = None
) -> Happened:
    """`events` on `pieces` pieces of content, read by Zipf's law, over the time before `until_ms`."""
    dice = np.random.default_rng(seed)
    at_ms = until_ms - np.sort(dice.integers(0, over_s * 1000, events))[::-1]
    return Happened(
        organization_id=dice.bytes(16),
        contents=_version(dice.integers(0, 256, (pieces, 16), dtype=np.uint8), 4) if contents is None else contents,
        content=(dice.zipf(ZIPF, events) - 1) % pieces,
        id=_at(at_ms, dice.integers(0, 256, (events, 16), dtype=np.uint8)),
        at_ms=at_ms,
        kind=dice.integers(0, len(KINDS), events),
        platform=dice.integers(0, len(PLATFORMS), events),
        robot=dice.random(events) < 0.1,
        value=dice.integers(0, 60_000, events),
        actor=dice.integers(0, READERS, events),
        attributes=dice.integers(0, len(ATTRIBUTES), events),
    )


def _version(random: Bytes, version: int) -> Bytes:
    random[:, 6] = version << 4 | random[:, 6] & 0xF
    random[:, 8] = 0x80 | random[:, 8] & 0x3F
    return random


def _at(at_ms: Numbers, random: Bytes) -> Bytes:
    random[:, :6] = at_ms.astype(">u8").view(np.uint8).reshape(-1, 8)[:, 2:]
    return _version(random, 7)


def envelopes(of: Happened, size: int, partitions: int) -> Iterator[tuple[int, bytes]]:
    """(partition, envelope of at most `size` events), as a collector would send them: by turns."""
    partition = of.partition(partitions)
    mine = [np.flatnonzero(partition == n) for n in range(partitions)]
    for at in range(0, max(map(len, mine)), size):
        for n, rows in enumerate(mine):
            if len(part := rows[at : at + size]):
                yield n, envelope.encode(to_arrow(of, part))


def to_arrow(of: Happened, rows: Numbers) -> pa.RecordBatch:
    """Some of the events as the envelope has them."""
    received = pa.array(np.full(len(rows), of.at_ms[rows].max()), pa.timestamp("ms", "UTC"))
    platform = pa.DictionaryArray.from_arrays(pa.array(of.platform[rows].astype(np.int16)), pa.array(PLATFORMS))
    columns = [
        pa.array([of.organization_id] * len(rows), envelope.UUID_BYTES),
        _uuids(of.contents[of.content[rows]]),
        _uuids(of.id[rows]),
        pa.array(of.kind[rows].astype(np.uint8)),
        platform,
        pa.array(of.robot[rows]),
        pa.array(of.value[rows].astype(np.uint64)),
        pa.array([f"reader-{n}" for n in of.actor[rows].tolist()]),
        pa.array([ATTRIBUTES[n] for n in of.attributes[rows].tolist()]),
        received,
    ]
    return pa.record_batch(columns, schema=envelope.SCHEMA)


def _uuids(raw: Bytes) -> pa.Array:
    return pa.Array.from_buffers(envelope.UUID_BYTES, len(raw), [None, pa.py_buffer(np.ascontiguousarray(raw))])


def posted(of: Happened) -> list[dict[str, Any]]:
    """The events as a sender posts them."""
    names = [str(UUID(bytes=row.tobytes())) for row in of.contents]
    return [
        {
            "id": str(UUID(bytes=of.id[i].tobytes())),
            "content_id": names[of.content[i]],
            "kind": KINDS[of.kind[i]],
            "platform": PLATFORMS[of.platform[i]],
            "actor": f"reader-{of.actor[i]}",
            "value": int(of.value[i]) / 1000,
            "attributes": msgspec.Raw(ATTRIBUTES[of.attributes[i]].encode()),
            "robot": bool(of.robot[i]),
        }
        for i in range(len(of))
    ]


def messages(of: Happened, partitions: int) -> Iterator[tuple[int, int, bytes, bytes]]:
    """(partition, unix ms, key, JSON), one an event: what the peers read, keyed by content."""
    parts = of.partition(partitions).tolist()
    for partition, at_ms, event in zip(parts, of.at_ms.tolist(), posted(of), strict=True):
        yield partition, at_ms, event["content_id"].encode(), msgspec.json.encode({**event, "at_ms": at_ms})


def counts(of: Happened) -> dict[tuple[str, str, str, int], int]:
    """The independent count: (content, platform, kind, minute) -> events, one by one."""
    names = [str(UUID(bytes=row.tobytes())) for row in of.contents]
    columns = (of.content.tolist(), of.platform.tolist(), of.kind.tolist(), (of.at_ms // 60_000).tolist())
    return Counter((names[c], PLATFORMS[p], KINDS[k], minute) for c, p, k, minute in zip(*columns, strict=True))
