"""Envelopes read together: one that cannot be counted is named with its reason, and its neighbours lose nothing."""

import random
from uuid import UUID

import numpy as np
import pyarrow as pa
import pytest

from streams import envelopes
from streams.buckets import Buckets
from streams.messages import Message, position
from wire import envelope, ids
from wire.topics import EVENTS

EPOCH, NOW_MS = 1_780_000_000, 1_800_000_000_000
ORGANIZATION = UUID(int=7)


def message(
    offset: int,
    content: UUID,
    *,
    organization: UUID = ORGANIZATION,
    kind: int = 0,
    partition: int | None = None,
    events: int = 2,
) -> Message:
    columns = {
        "organization_id": [organization.bytes] * events,
        "content_id": [content.bytes] * events,
        "id": [ids.id_at(NOW_MS + n * 20_000, f"{content} {offset} {n}").bytes for n in range(events)],
        "kind": [kind] * events,
        "platform": pa.array(["web"] * events).dictionary_encode().cast(envelope.SCHEMA.field("platform").type),
        "robot": [n % 2 == 0 for n in range(events)],
        "value": list(range(events)),
        "actor": [""] * events,
        "attributes": [""] * events,
        "received_at": [NOW_MS] * events,
    }
    arrays = [
        made if isinstance(made := columns[field.name], pa.Array) else pa.array(made, field.type)
        for field in envelope.SCHEMA
    ]
    of = ids.partition(content, EVENTS.partitions) if partition is None else partition
    value = envelope.encode(pa.record_batch(arrays, schema=envelope.SCHEMA))
    return Message(EVENTS.name, of, offset, position(EPOCH, offset), None, value, NOW_MS)


def read(*messages: Message) -> tuple[envelopes.Events, dict[int, str]]:
    events, refused = envelopes.read(list(messages), EVENTS.partitions, envelopes.Platforms())
    return events, {each.offset: poison.reason for each, poison in refused}


def test_each_event_keeps_the_place_of_its_own_envelope() -> None:
    a, b = UUID(int=1), UUID(int=2)
    events, refused = read(message(3, a), message(9, b, events=3), message(4, a, events=1))
    assert refused == {}
    assert (events.position - np.uint64(position(EPOCH, 0))).tolist() == [3, 3, 9, 9, 9, 4]
    assert events.partition.tolist() == [ids.partition(of, EVENTS.partitions) for of in (a, a, b, b, b, a)]
    assert events.batch.value.tolist() == [0, 1, 0, 1, 2, 0]
    assert events.batch.content[:, 3].tolist() == [1, 1, 2, 2, 2, 1]


def test_bad_envelopes_among_good_ones_are_refused_alone() -> None:
    a = UUID(int=1)
    wrong = (ids.partition(a, EVENTS.partitions) + 1) % EVENTS.partitions
    broken = Message(EVENTS.name, 0, 1, position(EPOCH, 1), None, b"no envelope", NOW_MS)
    events, refused = read(
        message(0, a), broken, message(2, a, kind=200), message(3, a, partition=wrong), message(4, a)
    )
    assert refused == {1: "undecodable_envelope", 2: "unknown_kind", 3: "wrong_partition"}
    assert (events.position - np.uint64(position(EPOCH, 0))).tolist() == [0, 0, 4, 4]
    assert len(events.columns) == 4


def test_nothing_but_bad_envelopes_is_no_events() -> None:
    events, refused = read(message(2, UUID(int=1), kind=200))
    assert refused == {2: "unknown_kind"}
    assert len(events.position) == len(events.columns) == 0


def test_a_platform_keeps_its_name_however_many_were_met_before_it() -> None:
    platforms = envelopes.Platforms()
    for n in range(40_000):
        platforms.code(f"made_up_{n}")
    events, _ = envelopes.read([message(0, UUID(int=1))], EVENTS.partitions, platforms)
    buckets = Buckets(0, np.empty((0, 4), np.uint64))
    counted = buckets.count(events.batch, buckets.missing(events.batch).places)
    rows = envelopes.ledger_rows(events, counted, platforms)
    assert rows["platform"].to_pylist() == ["web", "web"]


@pytest.mark.parametrize("organizations", [1, 3])
def test_the_ledgers_rows_are_the_fresh_events_in_the_ledgers_own_order(organizations: int) -> None:
    chance = random.Random(1)
    of = {UUID(int=chance.getrandbits(128)): UUID(int=chance.randrange(organizations) << 60 | 1) for _ in range(9)}
    sent = [message(at, content, organization=of[content], events=7) for at, content in enumerate([*of] * 9)]
    events, _ = envelopes.read(sent + sent[:20], EVENTS.partitions, platforms := envelopes.Platforms())
    buckets = Buckets(0, np.empty((0, 4), np.uint64))
    counted = buckets.count(events.batch, buckets.missing(events.batch).places)
    rows = envelopes.ledger_rows(events, counted, platforms)
    columns = ("organization_id", "content_id", "minute", "id")
    found = list(zip(*(rows[name].to_pylist() for name in columns), strict=True))
    assert found == sorted(found, key=lambda row: (row[0][8:], row[1][8:], row[2], row[3][8:]))
    assert len(found) == 9 * 9 * 7
    once = {(at["content_id"], at["id"]) for at in events.columns.to_pylist()}
    assert {(content, id_) for _, content, _, id_ in found} == once
