"""Snapshots: the platforms' own totals, of which the latest counts. Every step bears being repeated, in any order."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID, uuid5

import msgspec

from streams.doors import Doors
from streams.messages import FIRST, LAST, Message
from streams.rejections import NOBODY, UNREADABLE, of_message, store
from streams.retry import until_done
from streams.sql import question
from streams.stretches import Admit, anything
from wire.commands import RECORD_SNAPSHOTS, Command, RecordSnapshots, SnapshotTotal
from wire.counters import KEEP_LATEST, SNAPSHOTS_WHOLE, snapshots_key
from wire.errors import Poison
from wire.events import PLATFORM, PLATFORM_PATTERN, Rejection, Snapshot, encode
from wire.ids import partition
from wire.redis import answers
from wire.topics import FINDINGS, SNAPSHOTS

MOST: Final = 1 << 53
"""The largest count: what Redis's scripts, whose numbers are floats, still tell apart."""
AT_ONCE: Final = 500
"""Snapshots of one call to Redis, and of one command."""

_COLUMNS: Final = ("organization_id", "content_id", "platform", "kind", "captured_at", "count")
_TYPES: Final = ("UUID", "UUID", *("LowCardinality(String)",) * 2, "DateTime64(3, 'UTC')", "UInt64")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_snapshots = msgspec.json.Decoder(list[Snapshot])


class SnapshotsProcessor:
    """`engagement.snapshots` -> ClickHouse, Redis, and `content.record_snapshots` for PostgreSQL."""

    topic = SNAPSHOTS
    max_messages = 200
    every_s = 0.1

    async def start(self, doors: Doors) -> None:
        """Take the doors."""
        self._doors = doors
        self._keep_latest = doors.redis.register_script(KEEP_LATEST)

    async def assigned(self, positions: dict[int, int]) -> None:  # noqa: ARG002 — part of what a processor is
        """Nothing is held between messages; but Redis may have lost what it held."""
        await self._repair()

    async def process(self, messages: list[Message], admit: Admit = anything) -> None:
        """Returns when every store has the snapshots, and the command that tells PostgreSQL is on its way."""
        snapshots, rejections, refused = read(messages)
        admit(refused)
        await store(self._doors, [*rejections, *(of_message(message, poison) for message, poison in refused)])
        if snapshots:
            await self._insert(snapshots)
            await self._repair()
            newest = latest(snapshots)
            for at in range(0, len(newest), AT_ONCE):
                await self._count(newest[at : at + AT_ONCE])
                await self._report(newest[at : at + AT_ONCE], messages)

    async def settle(self) -> None:
        """Nothing is left: `process` waits for every store."""

    async def tend(self) -> None:
        """Redis may have been emptied."""
        if await answers(self._doors.redis):
            await self._repair()

    async def _repair(self) -> None:
        """Where Redis was emptied, give it the latest of every piece again."""
        if await until_done("redis", lambda: self._doors.redis.exists(SNAPSHOTS_WHOLE)):
            return
        query = self._doors.clickhouse.query
        found = await until_done("snapshots", lambda: asyncio.to_thread(query, question("latest_snapshots")))
        rows = [Snapshot(**dict(zip(found.column_names, row, strict=True))) for row in found.result_rows]
        utc = [msgspec.structs.replace(each, captured_at=each.captured_at.replace(tzinfo=UTC)) for each in rows]
        for at in range(0, len(utc), AT_ONCE):
            await self._count(utc[at : at + AT_ONCE])
        await until_done("redis", lambda: self._doors.redis.set(SNAPSHOTS_WHOLE, 1))

    async def _insert(self, snapshots: list[Snapshot]) -> None:
        rows = [[getattr(snapshot, column) for column in _COLUMNS] for snapshot in snapshots]
        insert = self._doors.clickhouse.insert
        await until_done(
            "storing snapshots",
            lambda: asyncio.to_thread(insert, "engagement_snapshots", rows, _COLUMNS, column_type_names=_TYPES),
        )

    async def _count(self, snapshots: list[Snapshot]) -> None:
        keys = [snapshots_key(each.organization_id, each.content_id) for each in snapshots]
        arguments: list[str | int] = []
        for each in snapshots:
            arguments += [f"{each.platform}|{each.kind}", unix_ms(each.captured_at), each.count]
        await until_done("counting snapshots", lambda: self._keep_latest(keys, arguments))

    async def _report(self, snapshots: list[Snapshot], messages: list[Message]) -> None:
        made = command(snapshots, messages, datetime.fromtimestamp(self._doors.now(), UTC))
        to = partition(UUID(made.key), FINDINGS.partitions)
        send = self._doors.producer.send_and_wait
        await until_done("reporting snapshots", lambda: send(FINDINGS.name, encode(made), UUID(made.key).bytes, to))


def read(messages: Iterable[Message]) -> tuple[list[Snapshot], list[Rejection], list[tuple[Message, Poison]]]:
    """Messages -> their snapshots, a rejection for each that cannot be one, and the messages that hold none.

    A message of which every item is bad is refused whole as well: it counts in a stretch of bad ones.
    """
    snapshots: list[Snapshot] = []
    rejections: list[Rejection] = []
    refused: list[tuple[Message, Poison]] = []
    for message in messages:
        try:
            found = _snapshots.decode(message.value)
        except UNREADABLE as error:
            refused.append((message, Poison("undecodable_snapshots", str(error)[:500])))
            continue
        bad = {item: detail for item, snapshot in enumerate(found) if (detail := fault(snapshot))}
        for item, snapshot in enumerate(found):
            if item in bad:
                poison = Poison("bad_snapshot", f"item {item}: {bad[item]}")
                rejections.append(of_message(message, poison, item, snapshot.organization_id))
            else:
                snapshots.append(msgspec.structs.replace(snapshot, captured_at=whole_ms(snapshot.captured_at)))
        if found and len(bad) == len(found):
            refused.append((message, Poison("nothing_but_bad_snapshots", f"all {len(found)}; item 0: {bad[0]}")))
    return snapshots, rejections, refused


def fault(snapshot: Snapshot) -> str:
    """What is wrong with a snapshot; empty where nothing is."""
    if not 0 <= snapshot.count < MOST:
        return f"its count {snapshot.count} is not from 0 to {MOST - 1}"
    if not PLATFORM.fullmatch(snapshot.platform):
        return f"its platform {snapshot.platform[:100]!r} is not like {PLATFORM_PATTERN}"
    if snapshot.captured_at.tzinfo is None:
        return f"its time {snapshot.captured_at} is in no time zone"
    if not FIRST <= snapshot.captured_at < LAST:
        return f"its time {snapshot.captured_at} is not from {FIRST:%Y} on and before {LAST:%Y}"
    return ""


def latest(snapshots: Iterable[Snapshot]) -> list[Snapshot]:
    """Of each (piece, platform, kind) the latest, of two at one millisecond the larger; in the order of their keys."""
    newest: dict[tuple[UUID, UUID, str, str], Snapshot] = {}
    for each in snapshots:
        key = (each.organization_id, each.content_id, each.platform, str(each.kind))
        held = newest.get(key)
        if held is None or (unix_ms(held.captured_at), held.count) < (unix_ms(each.captured_at), each.count):
            newest[key] = each
    return [newest[key] for key in sorted(newest)]


def command(snapshots: list[Snapshot], messages: list[Message], issued_at: datetime) -> Command:
    """The command that tells PostgreSQL; the same snapshots of the same messages give the same id."""
    totals = tuple(
        SnapshotTotal(
            organization_id=each.organization_id,
            content_id=each.content_id,
            platform=each.platform,
            kind=each.kind,
            count=each.count,
            captured_at=each.captured_at,
        )
        for each in snapshots
    )
    payload = encode(RecordSnapshots(updates=totals))
    first, last = messages[0], messages[-1]
    source = f"{first.partition}/{first.position}-{last.partition}/{last.position}/{payload.decode()}"
    return Command(
        id=uuid5(NOBODY, source),
        type=RECORD_SNAPSHOTS,
        organization_id=None,
        key=str(snapshots[0].content_id),
        issued_at=issued_at,
        payload=msgspec.Raw(payload),
    )


def whole_ms(at: datetime) -> datetime:
    """A time in UTC without what is finer than a millisecond, which not every store keeps."""
    return _EPOCH + timedelta(milliseconds=unix_ms(at))


def unix_ms(at: datetime) -> int:
    """A time in whole milliseconds since 1970."""
    return (at - _EPOCH) // timedelta(milliseconds=1)
