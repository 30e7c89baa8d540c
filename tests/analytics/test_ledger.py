"""What the tables promise, whatever the order in which rows arrive."""

import random
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

MINUTE = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


def events(organization: UUID, content: UUID, rows: list[tuple[UUID, str, int]]) -> pa.Table:
    """(id, kind, position) -> the ledger's columns, as Arrow."""
    ids, kinds, positions = zip(*rows, strict=True)
    count = len(rows)
    return pa.table(
        {
            "organization_id": pa.array([organization.bytes] * count, pa.binary(16)),
            "content_id": pa.array([content.bytes] * count, pa.binary(16)),
            "minute": pa.array([MINUTE] * count, pa.timestamp("s", "UTC")),
            "id": pa.array([id_.bytes for id_ in ids], pa.binary(16)),
            "kind": pa.array(kinds),
            "platform": pa.array(["web"] * count),
            "robot": pa.array([False] * count),
            "value": pa.array([0] * count, pa.uint64()),
            "actor": pa.array([""] * count),
            "attributes": pa.array([""] * count),
            "received_at": pa.array([MINUTE] * count, pa.timestamp("ms", "UTC")),
            "partition": pa.array([1] * count, pa.uint16()),
            "precedence": pa.array([~position & (1 << 64) - 1 for position in positions], pa.uint64()),
        }
    )


def ledger(client: Client, content: UUID) -> list[Any]:
    sql = "SELECT id, kind, position FROM engagement_events WHERE content_id = {c:UUID} ORDER BY position"
    return list(client.query(sql, {"c": content}).result_rows)


def test_a_uuid_from_arrow_is_the_same_uuid(client: Client) -> None:
    organization, content, id_ = (UUID(f"0192f00{n}-1234-7abc-8def-0123456789ab") for n in (1, 2, 3))
    client.insert_arrow("engagement_events", events(organization, content, [(id_, "view", 1)]))
    columns = "organization_id, content_id, id, toString(id), minute"
    sql = f"SELECT {columns} FROM engagement_events WHERE content_id = {{c:UUID}}"
    (row,) = client.query(sql, {"c": content}).result_rows
    assert row[:4] == (organization, content, id_, str(id_))
    assert row[4].replace(tzinfo=UTC) == MINUTE


@pytest.mark.parametrize("seed", range(5))
def test_of_one_id_the_first_position_stays_whatever_the_order_of_the_inserts(client: Client, seed: int) -> None:
    chance = random.Random(seed)
    content, ids = uuid4(), [uuid4() for _ in range(8)]
    arrivals = [(chance.choice(ids), chance.choice(["view", "read"]), position) for position in range(60)]
    first: dict[UUID, tuple[str, int]] = {}
    for id_, kind, position in arrivals:
        first.setdefault(id_, (kind, position))
    chance.shuffle(arrivals)
    while arrivals:
        batch, arrivals = arrivals[:7], arrivals[7:]
        client.insert_arrow("engagement_events", events(UUID(int=1), content, batch))
        if chance.random() < 0.3:
            client.command("OPTIMIZE TABLE engagement_events FINAL")
    expected = sorted(((id_, *of) for id_, of in first.items()), key=lambda row: row[2])
    assert ledger(client, content) == expected
    client.command("OPTIMIZE TABLE engagement_events FINAL")
    assert ledger(client, content) == expected


def test_positions_of_a_newer_log_come_after_all_of_an_older_one(client: Client) -> None:
    content, id_ = uuid4(), uuid4()
    newest = (1 << 63) + 5
    client.insert_arrow("engagement_events", events(UUID(int=1), content, [(id_, "read", newest)]))
    client.insert_arrow("engagement_events", events(UUID(int=1), content, [(id_, "view", 7)]))
    assert ledger(client, content) == [(id_, "view", 7)]


@pytest.mark.parametrize("seed", range(3))
def test_an_aggregate_keeps_the_larger_count_and_a_position_the_farther_one(client: Client, seed: int) -> None:
    chance = random.Random(seed)
    content, topic = uuid4(), f"t{uuid4()}"
    counts = list(range(1, 20))
    chance.shuffle(counts)
    minutes = ["organization_id", "content_id", "minute", "platform", "kind", "count", "robots", "value"]
    for count in counts:
        row = (UUID(int=1), content, MINUTE, "web", "view", count, 0, count * 10)
        client.insert("engagement_minutes", [row], minutes)
        client.insert("stream_positions", [(topic, 1, 3, count)], ["topic", "epoch", "partition", "next_offset"])
    held = "SELECT count, value FROM engagement_minutes WHERE content_id = {c:UUID}"
    assert client.query(held, {"c": content}).result_rows == [(19, 190)]
    farthest = "SELECT next_offset FROM stream_positions WHERE topic = {t:String}"
    assert client.query(farthest, {"t": topic}).result_rows == [(19,)]


def test_a_worker_that_writes_the_ledger_in_the_shape_of_0_1_0_is_refused(client: Client) -> None:
    content = uuid4()
    rows = events(UUID(int=1), content, [(uuid4(), "view", 7)])
    older = rows.drop_columns(["precedence"]).append_column("position", pa.array([7], pa.uint64()))
    with pytest.raises(DatabaseError, match="No such column position"):
        client.insert_arrow("engagement_events", older)
    assert ledger(client, content) == []
