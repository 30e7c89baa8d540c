from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.doors import Doors
from streams.messages import Message
from streams.snapshots import SnapshotsProcessor, latest, read, unix_ms
from tests.streams.conftest import findings
from wire.commands import RecordSnapshots
from wire.counters import snapshots_key
from wire.events import Kind, Snapshot, encode
from wire.topics import SNAPSHOTS

AT = datetime(2026, 3, 1, 12, 30, 15, 123_456, UTC)


def snapshot(organization_id: UUID, content_id: UUID, count: int, **changes: Any) -> Snapshot:
    of: dict[str, Any] = {"platform": "facebook", "kind": Kind.SHARE, "captured_at": AT}
    return Snapshot(organization_id=organization_id, content_id=content_id, count=count, **of | changes)


def message(snapshots: list[Snapshot], offset: int = 0) -> Message:
    return Message(SNAPSHOTS.name, 0, offset, 1000 + offset, None, encode(snapshots), 1_700_000_000_000)


@pytest.fixture
async def processor(doors: Doors) -> SnapshotsProcessor:
    made = SnapshotsProcessor()
    await made.start(doors)
    return made


async def test_the_latest_wins_in_every_store_whatever_the_order_and_the_repetitions(
    processor: SnapshotsProcessor, doors: Doors, servers: Any
) -> None:
    organization, content = uuid4(), uuid4()
    earlier, later = (snapshot(organization, content, n, captured_at=AT + timedelta(n)) for n in (9, 10))
    later = msgspec.structs.replace(later, count=5)  # a platform may take back
    for batch in ([[later], [earlier]], [[earlier, later]], [[later]]):
        for n, each in enumerate(batch):
            await processor.process([message(each, n)])
    rows = doors.clickhouse.query(
        "SELECT count, captured_at FROM engagement_snapshots WHERE content_id = {c:UUID} ORDER BY captured_at",
        {"c": content},
    ).result_rows
    assert [count for count, _ in rows] == [9, 5]
    assert unix_ms(rows[1][1].replace(tzinfo=UTC)) == unix_ms(later.captured_at)
    held = await doors.redis.hgetall(snapshots_key(organization, content))
    assert held == {b"facebook|share": f"{unix_ms(later.captured_at)}|5".encode()}
    await doors.redis.flushdb()
    await processor.tend()
    assert await doors.redis.hgetall(snapshots_key(organization, content)) == held
    told = [msgspec.json.decode(each.payload, type=RecordSnapshots) for each in await findings(servers, content)]
    assert {update.count for each in told for update in each.updates} == {5, 9}
    assert all(update.captured_at.microsecond % 1000 == 0 for each in told for update in each.updates)


async def test_the_same_messages_again_give_the_same_command_and_a_new_sending_another(
    processor: SnapshotsProcessor, servers: Any
) -> None:
    organization, content = uuid4(), uuid4()
    sent = [snapshot(organization, content, 4)]
    for offset in (0, 0, 7):
        await processor.process([message(sent, offset)])
    first, second, third = await findings(servers, content)
    assert first.id == second.id != third.id


async def test_many_snapshots_are_reported_in_commands_of_at_most_500(
    processor: SnapshotsProcessor, doors: Doors, servers: Any
) -> None:
    organization = uuid4()
    contents = sorted(uuid4() for _ in range(1100))
    await processor.process([message([snapshot(organization, content, 1) for content in contents])])
    told = [command for at in (0, 500, 1000) for command in await findings(servers, contents[at])]
    sizes = [len(msgspec.json.decode(command.payload, type=RecordSnapshots).updates) for command in told]
    assert sizes == [500, 500, 100]
    rows = doors.clickhouse.query(
        "SELECT count() FROM engagement_snapshots WHERE organization_id = {o:UUID}", {"o": organization}
    ).result_rows
    assert rows == [(1100,)]


@pytest.mark.parametrize(
    "changes",
    [
        {"count": -1},
        {"count": 1 << 53},
        {"platform": "no such|platform"},
        {"platform": ""},
        {"captured_at": datetime(2026, 3, 1, 12)},  # noqa: DTZ001  # that is what is wrong with it
        {"captured_at": datetime(1969, 3, 1, 12, tzinfo=UTC)},
        {"captured_at": datetime(9999, 3, 1, 12, tzinfo=UTC)},
    ],
)
async def test_a_snapshot_that_cannot_be_is_rejected_alone(
    processor: SnapshotsProcessor, doors: Doors, changes: dict[str, Any]
) -> None:
    organization, content = uuid4(), uuid4()
    bad = msgspec.structs.replace(snapshot(organization, content, 1), **changes)
    await processor.process([message([bad, snapshot(organization, content, 2)])])
    reasons = "SELECT reason, source, place FROM rejections WHERE organization_id = {o:UUID}"
    assert doors.clickhouse.query(reasons, {"o": organization}).result_rows == [
        ("bad_snapshot", f"{SNAPSHOTS.name}/0", 0)
    ]
    kept = "SELECT count FROM engagement_snapshots WHERE organization_id = {o:UUID}"
    assert doors.clickhouse.query(kept, {"o": organization}).result_rows == [(2,)]


def test_a_message_that_does_not_decode_is_rejected_and_the_others_are_read() -> None:
    good = message([snapshot(uuid4(), uuid4(), 1)])
    for value in (b"", b"{}", b"\xff", b"[1]", b"[" * 200_000):
        bad = Message(SNAPSHOTS.name, 2, 5, 1005, None, value, 1_700_000_000_000)
        snapshots, rejections, refused = read([bad, good])
        assert (len(snapshots), rejections) == (1, [])
        assert [(each.offset, poison.reason) for each, poison in refused] == [(5, "undecodable_snapshots")]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(0, 3))), st.randoms())
def test_of_each_total_the_latest_stays_in_any_order(raw: list[tuple[int, int, int]], chance: Any) -> None:
    organization = UUID(int=1)
    all_ = [snapshot(organization, UUID(int=c), n, captured_at=AT + timedelta(milliseconds=t)) for c, t, n in raw]
    shuffled = chance.sample(all_, len(all_))
    newest = latest(shuffled)
    assert newest == latest(all_)
    assert latest([*newest, *all_]) == newest
    for each in newest:
        same = [(s.captured_at, s.count) for s in all_ if s.content_id == each.content_id]
        assert (each.captured_at, each.count) == max(same)
