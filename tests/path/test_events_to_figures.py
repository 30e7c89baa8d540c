"""Readers' events go from the collector to every store, each once, and every door tells the same figure."""

import gzip
import json
import os
import signal
import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx2
import pytest

from tests.path.conftest import System, eventually
from wire.ids import id_at, new_id


def new_piece(system: System, title: str) -> str:
    with system.api() as api:
        piece = {"source_ref": title, "type": "custom", "title": title, "platforms": ["web"], "status": "published"}
        answer = api.post("/content/bulk", json={"pieces": [piece]})
        assert answer.status_code in (200, 201), answer.text
        return str(answer.json()[0]["id"] if isinstance(answer.json(), list) else answer.json()["pieces"][0]["id"])


def event(content: str, **more: Any) -> dict[str, Any]:
    return {"id": str(new_id()), "content_id": content, "kind": "view", "platform": "web", **more}


def stats(system: System, content: str) -> dict[str, Any]:
    with system.api() as api:
        return dict(api.get(f"/content/{content}/stats").raise_for_status().json())


def test_events_in_every_shape_are_counted_once_and_shown_with_their_age(system: System, key: str) -> None:
    content = new_piece(system, "every-shape")
    sent = [
        event(content, actor="a"),
        event(content, kind="read", value=12.5),
        event(content, platform="x", robot=True),
    ]
    lines = "\n".join(json.dumps(e) for e in sent).encode()
    bodies: list[tuple[bytes, dict[str, str]]] = [
        (json.dumps(sent).encode(), {"Content-Type": "application/json"}),
        (json.dumps({"events": sent}).encode(), {"Content-Type": "application/json"}),
        (lines, {"Content-Type": "application/x-ndjson"}),
        (gzip.compress(lines), {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}),
    ]
    with system.collector(key) as collector:
        for body, headers in bodies:
            answer = collector.post("/events", content=body, headers=headers)
            assert (answer.status_code, answer.json()) == (202, {"accepted": 3, "rejected": []})

    found = eventually(lambda: (s := stats(system, content))["totals"].get("read") == 1 and s)
    assert found["totals"] == {"view": 2, "read": 1}
    assert found["readers"] == {"view": 1, "read": 1}
    assert found["values"]["read"] == 12.5
    assert found["by_platform"] == {"web": {"view": 1, "read": 1}, "x": {"view": 1}}
    assert sum(sum(minute["counts"].values()) for minute in found["last_60_minutes"]) == 3
    age = datetime.now(UTC) - datetime.fromisoformat(found["as_of"])
    assert 0 <= age.total_seconds() < 30


def test_postgresql_has_the_same_figure(system: System, key: str) -> None:
    content = new_piece(system, "same-figure")
    with system.collector(key) as collector:
        collector.post("/events", json=[event(content) for _ in range(7)]).raise_for_status()
    with system.api() as api:

        def count() -> int:
            totals = (api.get(f"/content/{content}").json()["engagement_stats"] or {}).get("totals", {})
            return int(totals.get("web", {}).get("view", {}).get("count", 0))

        assert eventually(lambda: count() == 7)


def test_what_is_refused_is_named_and_what_is_good_beside_it_counts(system: System, key: str) -> None:
    content = new_piece(system, "refused")
    unknown = str(new_id())
    old = str(id_at(int(time.time() * 1000) - 8 * 24 * 3600 * 1000, "old"))
    events = [
        event(content),
        event(content, kind="stare"),
        event(unknown),
        {**event(content), "id": old},
        event(content, value=-1),
    ]
    with system.collector(key) as collector:
        answer = collector.post("/events", json=events)
    assert answer.status_code == 202
    assert answer.json()["accepted"] == 1
    assert [refused["index"] for refused in answer.json()["rejected"]] == [1, 2, 3, 4]
    assert all(refused["reason"] for refused in answer.json()["rejected"])
    assert eventually(lambda: stats(system, content)["totals"] == {"view": 1})


def test_without_a_key_nothing_is_accepted(system: System) -> None:
    with system.collector("twk_" + "x" * 43) as collector:
        answer = collector.post("/events", json=[event(str(UUID(int=1)))])
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("victim", ["streams", "redis", "clickhouse", "worker", "bridges", "ingestion"])
def test_killing_a_process_loses_and_repeats_nothing(system: System, key: str, victim: str) -> None:
    content = new_piece(system, f"killed-{victim}")
    sent = [event(content) for _ in range(300)]
    names = {"redis": "valkey"}
    for at in range(0, 300, 20):
        if at == 140:
            os.kill(system.pid(names.get(victim, victim)), signal.SIGKILL)
        post_until_accepted(system, key, sent[at : at + 20])
    post_until_accepted(system, key, sent[:40])

    with system.api() as api:

        def figures() -> tuple[int, int]:
            answer = api.get(f"/content/{content}/stats")
            piece = api.get(f"/content/{content}")
            if answer.is_error or piece.is_error:
                return -1, -1
            kept = (piece.json()["engagement_stats"] or {}).get("totals", {}).get("web", {}).get("view", {})
            return answer.json()["totals"].get("view", 0), kept.get("count", 0)

        assert eventually(lambda: figures() == (300, 300) or None, within_s=60), figures()


def post_until_accepted(system: System, key: str, events: list[dict[str, Any]]) -> None:
    """As a client should: the same ids again until they are accepted."""
    for _ in range(120):
        try:
            with system.collector(key) as collector:
                answer = collector.post("/events", json=events)
            if answer.status_code == 202:
                assert answer.json()["rejected"] == []
                return
            assert answer.status_code in (429, 503), answer.text
        except httpx2.TransportError:
            pass
        time.sleep(0.5)
    pytest.fail("never accepted")
