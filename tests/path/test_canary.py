"""Secrets are sent to the collector in many wrong places: none comes back, none is logged, none is in ClickHouse."""

import gzip
import json
from typing import Any

from clickhouse_connect.driver.client import Client
from pydantic import SecretStr

import wire.clickhouse
from ingestion.rejections import FOR_WHAT_IT_IS
from tests.path.conftest import System, eventually
from tests.path.test_events_to_figures import event, new_piece
from tests.path.test_poison import send
from wire.ids import new_id
from wire.topics import EVENTS, SNAPSHOTS

CANARY = "canary-5f0c7a865b5e4a53"
LONG = f"{CANARY}-{CANARY}"[:43]
TOKEN = f"eyJhbGciOiJIUzI1NiJ9.eyJ{LONG}.{LONG}"

Way = tuple[str, dict[str, Any]]


def ways_in(piece: str, key: str) -> dict[str, Way]:
    """Requests that hold a secret where none belongs."""
    good = json.dumps(event(piece)).encode()
    lines = {"Content-Type": "application/x-ndjson"}
    return {
        "another's key": ("events", {"json": [], "headers": {"Authorization": f"Bearer twk_{LONG}"}}),
        "an access token": ("events", {"json": [], "headers": {"Authorization": f"Bearer {TOKEN}"}}),
        "basic": ("events", {"json": [], "headers": {"Authorization": f"Basic {CANARY}"}}),
        "a cookie": ("events", {"content": b"[", "headers": {"Cookie": f"session={CANARY}; key={key}"}}),
        "a header": ("events", {"content": b"[", "headers": {"X-Api-Key": key, "X-Secret": CANARY}}),
        "a parameter": ("events", {"content": b"[", "params": {"key": key, "token": CANARY}}),
        "the path": (f"{CANARY}/{key}", {"json": []}),
        "the type": ("events", {"content": b"[]", "headers": {"Content-Type": f"application/{CANARY}"}}),
        "the encoding": ("events", {"content": b"[]", "headers": {"Content-Encoding": CANARY}}),
        "broken JSON": ("events", {"content": f'[{{"key": "{key}", "password": "{CANARY}"'.encode()}),
        "broken gzip": ("events", {"content": key.encode(), "headers": {"Content-Encoding": "gzip"}}),
        "a field": ("events", {"json": [{**event(piece), "write_key": key}]}),
        "a field's name": ("events", {"json": [{**event(piece), key: 1}]}),
        "a password": ("events", {"json": [{**event(piece), "user": {"password": CANARY}}]}),
        "the platform": ("events", {"json": [event(piece, platform=f"Bearer {TOKEN}")]}),
        "the id": ("events", {"json": [event(piece, id=key)]}),
        "the piece": ("events", {"json": [event(key)]}),
        "the kind": ("events", {"json": [event(piece, kind=key)]}),
        "attributes": ("events", {"json": [event(str(new_id()), attributes={"cookie": CANARY, "a": key})]}),
        "at the end": ("events", {"json": [event(piece, platform=f"{'x' * 300} {key}")]}),
        "lines": ("events", {"content": good + b"\n" + f"password={CANARY} {key}\n".encode(), "headers": lines}),
        "gzip": (
            "events",
            {"content": gzip.compress(f'[{{"token":"{CANARY}"}}]'.encode()), "headers": {"Content-Encoding": "gzip"}},
        ),
        "a total": ("snapshots", {"json": [{"content_id": piece, "secret": CANARY, "platform": key}]}),
        "a line refused": ("rejections", {"json": [refusal(f"GET /?token={CANARY} {key}", f"{key} is no key")]}),
        "a refusal refused": ("rejections", {"json": [{**refusal("", ""), "cookie": CANARY, "key": key}]}),
    }


def refusal(sample: str, detail: str) -> dict[str, Any]:
    """What an importer refused."""
    return {
        "id": str(new_id()),
        "source": f"log?token={CANARY}" if sample else "log",
        "place": 1,
        "reason": "malformed_line",
        "detail": detail,
        "sample": sample,
    }


def test_no_secret_comes_back_is_logged_or_is_kept_with_what_was_refused(system: System) -> None:
    piece, refused, whole = new_piece(system, "canary"), 0, set()
    with system.api() as api:
        key = api.post("/write-keys", json={"name": "canary", "rights": ["events", "history"]}).json()["key"]
    secrets = (key, CANARY, LONG)
    clickhouse = wire.clickhouse.client(SecretStr(system.variables["TALLYWIRE_CLICKHOUSE_URL"]))
    before = len(rejections(clickhouse))
    with system.collector(key) as collector:
        for way, (path, request) in ways_in(piece, key).items():
            headers = {"Content-Type": "application/json", **request.pop("headers", {})}
            answer = collector.post(path, headers=headers, **request)
            assert not [secret for secret in secrets if secret in answer.text], way
            assert answer.status_code < 500, way
            refused += len(answer.json().get("rejected", ()))
            refused += answer.json().get("accepted", 0) if path == "rejections" else 0
            if answer.status_code in FOR_WHAT_IT_IS:
                whole.add((answer.json()["detail"], request["content"]))  # the same again is kept once
    garbage = f'[{{"password": "{CANARY}"}}] {key} '.encode()
    send(system, [(EVENTS, 3, garbage, ()), (SNAPSHOTS, 0, garbage, ()), (EVENTS, 3, b"x" * 290 + key.encode(), ())])
    eventually(lambda: len(rejections(clickhouse)) == before + refused + len(whole) + 3)
    assert (refused, len(whole)) == (14, 5)
    logs = {file.stem: file.read_text(errors="replace") for file in (system.folder / "log").glob("*.log")}
    assert {"ingestion", "streams", "clickhouse"} <= logs.keys()
    for secret in secrets:
        assert not [row for row in rejections(clickhouse) if secret in row]
        assert not [name for name, text in logs.items() if secret in text]
    clickhouse.close()


def rejections(clickhouse: Client) -> list[str]:
    """All that ClickHouse has, whole."""
    return [str(row) for row in clickhouse.query("SELECT * FROM rejections FINAL").result_rows]
