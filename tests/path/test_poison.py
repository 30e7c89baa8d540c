"""Bytes that no collector writes, in the real log: each is a rejection and the next is counted; nothing but such bytes
stops the reading, which goes on once an operator allows it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from typing import Any
from uuid import UUID

import httpx2
import pyarrow as pa
from pydantic import SecretStr

import wire.kafka
from tests.path.conftest import System, eventually
from tests.path.test_accounts import total
from tests.path.test_events_to_figures import event, new_piece, post_until_accepted, stats
from wire import envelope
from wire.accounts import window
from wire.ids import new_id, partition
from wire.topics import CONTENT, EVENTS, REJECTIONS, SNAPSHOTS, Topic

Sent = tuple[Topic, int, bytes, envelope.Headers]


def send(system: System, messages: list[Sent]) -> None:
    async def sending() -> None:
        producer = await wire.kafka.producer(SecretStr(system.variables["TALLYWIRE_KAFKA_URL"]))
        for topic, to, value, headers in messages:
            await producer.send_and_wait(topic.name, value, partition=to, headers=list(headers))
        await producer.stop()

    asyncio.run(sending())


def envelope_of(organization: UUID, content: UUID, *, batches: int = 1, **columns: Any) -> bytes:
    """An envelope of one event, with columns in place of the good ones."""
    good: dict[str, Any] = {
        "organization_id": pa.array([organization.bytes], envelope.UUID_BYTES),
        "content_id": pa.array([content.bytes], envelope.UUID_BYTES),
        "id": pa.array([new_id().bytes], envelope.UUID_BYTES),
        "kind": pa.array([0], pa.uint8()),
        "platform": pa.array(["web"]).dictionary_encode().cast(pa.dictionary(pa.int16(), pa.string())),
        "robot": pa.array([False]),
        "value": pa.array([0], pa.uint64()),
        "actor": pa.array(["a\x00b"]),
        "attributes": pa.array([""]),
        "received_at": pa.array([int(time.time() * 1000)], pa.timestamp("ms", "UTC")),
    } | columns
    fields = [pa.field(name, column.type, nullable=False) for name, column in good.items()]
    schema = pa.schema(fields, metadata=envelope.SCHEMA.metadata)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        for _ in range(batches):
            writer.write_batch(pa.record_batch(list(good.values()), schema=schema))
    return bytes(sink.getvalue())


def refused(system: System) -> dict[str, int]:
    """How much of nobody's was refused for each reason."""
    return dict(json.loads(system.run("rejections", "--organization", "none", "--json").stdout)["reasons"])


def test_each_bad_message_is_a_rejection_and_the_next_event_is_counted(
    system: System, api: httpx2.Client, key: str
) -> None:
    content = UUID(new_piece(system, "poison"))
    organization = UUID(api.get("/me").json()["organization_id"])
    mine, elsewhere = partition(content, EVENTS.partitions), (partition(content, EVENTS.partitions) + 1) % 12
    good = envelope_of(organization, content)
    told = envelope.headers(new_id(), {(organization, window(int(time.time() * 1000))): 7})
    before, known = total(api), refused(system)
    bad = {
        "undecodable_envelope": [
            *(b"", b"no envelope", bytes(4096), os.urandom(7_000_000), good[: len(good) // 2], b"{" * 100_000),
            envelope_of(organization, content, batches=2),
            envelope_of(organization, content, kind=pa.array(["view"])),
        ],
        "unknown_kind": [envelope_of(organization, content, kind=pa.array([200], pa.uint8()))],
    }
    messages: list[Sent] = [(EVENTS, mine, value, told) for values in bad.values() for value in values]
    messages += [(EVENTS, elsewhere, good, ()), (EVENTS, mine, good, ())]
    json_bad = (b"", b"\xff\xfe", b"[" * 200_000, b'[{"id": NaN}]', b"null")
    messages += [(topic, 0, value, ()) for topic in (REJECTIONS, SNAPSHOTS, CONTENT) for value in json_bad]
    send(system, messages)
    post_until_accepted(system, key, [event(str(content))])

    assert eventually(lambda: stats(system, str(content))["totals"] == {"view": 2})
    expected = {reason: len(values) for reason, values in bad.items()} | {"wrong_partition": 1}

    def set_aside() -> Any:
        now = {reason: n - known.get(reason, 0) for reason, n in refused(system).items()}
        return sum(now.values()) == sum(expected.values()) + 3 * len(json_bad) and now

    found = eventually(set_aside)
    assert {reason: found[reason] for reason in expected} == expected
    told_of = 8 * 7 + 1 + 1

    def balanced() -> bool:
        now = total(api)
        return now["rejected"] - before["rejected"] == told_of and now["in_flight"] == 0

    assert eventually(balanced), (before, total(api))


def test_nothing_but_bad_messages_stops_the_reading_until_an_operator_allows_it(
    system: System, api: httpx2.Client, key: str
) -> None:
    content = new_piece(system, "nothing-but-bad")
    mine = partition(UUID(content), EVENTS.partitions)
    known = refused(system).get("undecodable_envelope", 0)
    post_until_accepted(system, key, [event(content)])
    assert eventually(lambda: stats(system, content)["totals"] == {"view": 1})
    send(system, [(EVENTS, mine, b"of a broken deployment", ())] * 30)
    told = eventually(lambda: "stands still" in (said := system.run("status", check=False)).stdout and said)
    assert told.returncode == 1
    assert f"{EVENTS.name}/{mine} stands still" in " ".join(told.stdout.split())
    post_until_accepted(system, key, [event(content)])
    assert refused(system)["undecodable_envelope"] == known + 20
    assert stats(system, content)["totals"] == {"view": 1}

    supervised = system.pid("streams")
    os.kill(supervised, signal.SIGSTOP)
    allowing = {"STREAMS_BAD_IN_A_ROW": "0", "WORKER_NAME": "by-hand", "METRICS_PORT": "0"}
    by_hand = subprocess.Popen(
        [sys.executable, "-m", "streams"],
        env={**os.environ, **system.variables, **{f"TALLYWIRE_{name}": value for name, value in allowing.items()}},
    )
    try:
        assert eventually(lambda: stats(system, content)["totals"] == {"view": 2}, within_s=60)
    finally:
        by_hand.terminate()
        by_hand.wait(30)
        os.kill(supervised, signal.SIGCONT)
    assert refused(system)["undecodable_envelope"] == known + 30
    eventually(lambda: system.run("status", check=False).returncode == 0, within_s=60)
