"""What refuses a whole request, and how it says so."""

import asyncio
import contextlib
import gzip
import hashlib
import json
import secrets
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wire.topics import REJECTIONS


def problem(answer: httpx2.Response) -> tuple[int, str]:
    """Every refusal is a problem with a sentence."""
    told = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.headers["x-content-type-options"], answer.headers["cache-control"]) == ("nosniff", "no-store")
    assert told["status"] == answer.status_code
    assert told["title"]
    assert told["detail"]
    return answer.status_code, str(told["detail"])


DEEP = b"[" * 200_000 + b"]" * 200_000
MALFORMED = {
    "no JSON": b"{nope",
    "nothing": b"",
    "half": b'[{"id": "',
    "NaN": b'[{"value": NaN}]',
    "a number": b"12",
    "a text": b'"events"',
    "another object": b'{"event": []}',
    "one more field": b'{"events": [], "more": 1}',
    "events that is no list": b'{"events": {}}',
    "two documents": b"[] []",
    "wrong UTF-8": b'[{"id": "\xff"}]',
    "wrong UTF-8 where nobody looks": b'[{"attributes": {"a": "\xc0\x80"}}]',
    "UTF-16": '[{"id": "x"}]'.encode("utf-16"),
    "a lone surrogate": b'[{"id": "\\ud800"}]',
    "a zero byte": b'[{"id": "\x00"}]',
    "deep nesting": DEEP,
    "deep nesting in attributes": b'[{"attributes": ' + DEEP + b"}]",
}


PACKED = {"content_encoding": "gzip"}


@pytest.mark.parametrize("name", MALFORMED)
async def test_a_malformed_body_is_400(collecting: Any, organization: Any, name: str) -> None:
    assert problem(await collecting.events(MALFORMED[name], organization.key))[0] == 400


async def test_what_is_refused_as_a_whole_is_kept_once_with_its_reason_and_its_beginning(
    collecting: Any, organization: Any, log: Any
) -> None:
    sent: list[tuple[Any, dict[str, str], str]] = [(body, {}, "malformed") for body in MALFORMED.values()]
    sent += [(b" " * size, {}, "too_large") for size in (10_000_001, 10_000_002)]
    sent += [
        (b"[" + b"{}," * 10_000 + b"{}]", {}, "too_large"),
        (gzip.compress(b" " * 10_000_001), PACKED, "too_large"),
    ]
    sent += [(b"no gzip", PACKED, "malformed")]
    others = ({"content_type": "text/csv"}, {"content_encoding": "br"})
    sent += [(b"[]", other, "unsupported_media_type") for other in others]
    for _ in range(2):
        for body, headers, _ in sent:
            assert problem(await collecting.events(body, organization.key, **headers))[0] in {400, 413, 415}
    for path in ("/v1/snapshots", "/v1/rejections"):
        await collecting.post(path, b"{cut", organization.history_key)
    await collecting.post("/v1/snapshots", [], organization.key)  # not for what it is

    kept = {r["id"]: r for r in await log.items(REJECTIONS, organization.id, 2 * len(sent) + 2)}.values()
    assert sorted(r["reason"] for r in kept) == sorted([*(reason for *_, reason in sent), "malformed"])
    assert {(r["source"], r["place"]) for r in kept} == {("http", 0)}
    assert '[{"value": NaN}]' in {r["sample"] for r in kept}
    assert all(r["detail"] for r in kept)


async def test_what_a_sender_breaks_off_is_not_kept(collecting: Any, organization: Any, log: Any) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(collecting.url.rpartition(":")[2]))
    head = f"POST /v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {organization.key}\r\n"
    writer.write(f"{head}content-type: application/json\r\ncontent-length: 1000\r\n\r\n[".encode())
    await writer.drain()
    writer.close()
    await asyncio.sleep(0.2)
    await collecting.events(b"[", organization.key)
    assert [r["sample"] for r in await log.items(REJECTIONS, organization.id, 1)] == ["["]
    reader.feed_eof()


async def test_an_event_that_is_sent_alone_is_told_what_to_send(collecting: Any, organization: Any) -> None:
    (content,) = await organization.content()
    status, told = problem(await collecting.events(organization.event(content), organization.key))
    assert status == 400
    assert "Send a JSON array of events" in told


async def test_a_huge_number_and_a_key_twice_are_not_malformed(collecting: Any, organization: Any) -> None:
    (content,) = await organization.content()
    good = msgspec.json.encode(organization.event(content))
    huge = good[:-1] + b',"value":' + b"9" * 5000 + b"}"
    twice = good[:-1] + b',"value":-1,"value":1}'
    answer = await collecting.events(b"[" + huge + b"," + twice + b"]", organization.key)
    assert answer.json()["accepted"] == 1
    assert [(r["index"], r["reason"]) for r in answer.json()["rejected"]] == [(0, "invalid_value")]


@pytest.mark.parametrize("key", [None, "x", "twk_short", f"twk_{'a' * 43}", f"key_{'a' * 43}", "twk_" + "ä" * 43])
async def test_no_key_or_an_unknown_one_is_401(collecting: Any, organization: Any, key: str | None) -> None:
    answer = await collecting.client.post(
        f"{collecting.url}/v1/events",
        content=b"[]",
        headers={"content-type": "application/json"}
        | ({"authorization": f"Bearer {key}".encode()} if key is not None else {}),
    )
    assert problem(answer)[0] == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_a_revoked_key_is_refused(collecting: Any, organization: Any) -> None:
    key = await organization.new_key("events")
    await organization.owner.execute(
        "UPDATE write_keys SET revoked_at = now() WHERE organization_id = $1", organization.id
    )
    assert problem(await collecting.events([], key))[0] == 401


async def test_a_key_in_use_is_refused_soon_after_it_was_revoked_and_others_go_on(
    collecting: Any, organization: Any
) -> None:
    key = await organization.new_key("events")
    for _ in range(2):
        assert (await collecting.events([], key)).status_code == 202
    await organization.owner.execute(
        "UPDATE write_keys SET revoked_at = now() WHERE key_hash = $1", hashlib.sha256(key.encode()).digest()
    )
    assert (await collecting.events([], organization.key)).status_code == 202
    await asyncio.sleep(2)
    assert problem(await collecting.events([], key))[0] == 401
    assert (await collecting.events([], organization.key)).status_code == 202


async def test_rights_that_a_key_in_use_has_lost_are_gone_soon(collecting: Any, organization: Any) -> None:
    assert (await collecting.post("/v1/snapshots", [], organization.history_key)).status_code == 202
    await organization.owner.execute(
        "UPDATE write_keys SET rights = '{events}' WHERE organization_id = $1", organization.id
    )
    await asyncio.sleep(2)
    assert problem(await collecting.post("/v1/snapshots", [], organization.history_key))[0] == 403
    assert (await collecting.events([], organization.history_key)).status_code == 202


async def test_a_key_made_after_it_was_tried_is_taken_soon(collecting: Any, organization: Any) -> None:
    key = f"twk_{secrets.token_urlsafe(32)}"
    assert (await collecting.events([], key)).status_code == 401
    await organization.owner.execute(
        "INSERT INTO write_keys (organization_id, name, key_hash, rights) VALUES ($1, 'late', $2, '{events}')",
        organization.id,
        hashlib.sha256(key.encode()).digest(),
    )
    await asyncio.sleep(2.1)
    assert (await collecting.events([], key)).status_code == 202


@pytest.mark.parametrize("path", ["/v1/snapshots", "/v1/rejections"])
async def test_uploads_need_the_right_to_write_history(collecting: Any, organization: Any, path: str) -> None:
    assert problem(await collecting.post(path, [], organization.key))[0] == 403
    assert (await collecting.post(path, [], organization.history_key)).status_code == 202


@pytest.mark.parametrize(
    "headers",
    [
        {"content_type": "text/plain"},
        {"content_type": ""},
        {"content_type": "application/json; charset=latin-1"},
        {"content_encoding": "br"},
    ],
)
async def test_another_type_or_packing_is_415(collecting: Any, organization: Any, headers: dict[str, str]) -> None:
    assert problem(await collecting.events(b"[]", organization.key, **headers))[0] == 415


async def test_paths_and_methods_that_are_not_there_are_refused(collecting: Any) -> None:
    assert problem(await collecting.client.post(f"{collecting.url}/v2/events"))[0] == 404
    answer = await collecting.client.get(f"{collecting.url}/v1/events")
    assert problem(answer)[0] == 405
    assert answer.headers["allow"] == "POST"
    assert (await collecting.client.get(f"{collecting.url}/healthz")).status_code == 200


async def test_too_much_is_413_however_it_is_packed(collecting: Any, organization: Any) -> None:
    many = b"[" + b",".join([b"{}"] * 10_001) + b"]"
    for body, headers in (
        (b" " * 10_000_001, {}),
        (gzip.compress(b" " * 10_000_001), {"content_encoding": "gzip"}),
        (gzip.compress(b"\0" * 200_000_000), {"content_encoding": "gzip"}),
        (many, {}),
        (b"{}\n" * 10_001, {"content_type": "application/x-ndjson"}),
        (b"[" + b"1," * 4_000_000 + b"1]", {}),
    ):
        assert problem(await collecting.events(body, organization.key, **headers))[0] == 413


async def test_a_body_without_a_length_is_bounded_too(collecting: Any, organization: Any) -> None:
    async def endless() -> Any:
        for _ in range(200):
            yield b" " * 100_000

    headers = {"content-type": "application/json", "authorization": f"Bearer {organization.key}"}
    try:
        answer = await collecting.client.post(f"{collecting.url}/v1/events", content=endless(), headers=headers)
    except httpx2.TransportError:
        return  # it hung up while we were still sending, which is as good
    assert problem(answer)[0] == 413


@pytest.mark.parametrize(
    "body", [b"no gzip", gzip.compress(b"[]" * 100, mtime=0)[:-9], gzip.compress(b"[]", mtime=0) + b"rest"]
)
async def test_broken_gzip_is_400(collecting: Any, organization: Any, body: bytes) -> None:
    assert problem(await collecting.events(body, organization.key, content_encoding="gzip"))[0] == 400


async def test_an_organization_that_sends_too_fast_is_told_to_wait_and_no_other(
    running: Any, corner: Any, new_organization: Any, tmp_path: Path
) -> None:
    fast, other = await new_organization(), await new_organization()
    contents = await fast.content(), await other.content()
    async with running(corner, tmp_path, TALLYWIRE_INGESTION_EVENTS_PER_SECOND="100") as collecting:
        batch = [fast.event(contents[0][0]) for _ in range(250)]
        assert (await collecting.events(batch, fast.key)).json()["accepted"] == 250
        refused = await collecting.events(batch, fast.key)
        assert problem(refused)[0] == 429
        wait_s = int(refused.headers["retry-after"])
        assert wait_s in {1, 2}
        assert refused.headers["ratelimit"] == f'"events";r=0;t={wait_s}'
        assert refused.headers["ratelimit-policy"] == '"events";q=100;w=1'
        assert (await collecting.events([other.event(contents[1][0])], other.key)).json()["accepted"] == 1
        await asyncio.sleep(2)
        assert (await collecting.events(batch, fast.key)).json()["accepted"] == 250


async def test_more_than_may_be_held_is_503_and_frees_itself(
    running: Any, corner: Any, organization: Any, tmp_path: Path
) -> None:
    (content,) = await organization.content()
    async with running(corner, tmp_path, TALLYWIRE_INGESTION_MEMORY_BYTES="100000") as collecting:
        small = [organization.event(content) for _ in range(100)]
        large = json.dumps([organization.event(content) for _ in range(1000)]).encode()
        for body, headers in ((large, {}), (gzip.compress(large), {"content_encoding": "gzip"})):
            refused = await collecting.events(body, organization.key, **headers)
            assert problem(refused)[0] == 503
            assert int(refused.headers["retry-after"]) >= 1
        for _ in range(20):
            assert (await collecting.events(small, organization.key)).json()["accepted"] == 100


@given(body=st.binary(max_size=300), lines=st.booleans(), packed=st.booleans())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_bytes_whatever_make_it_fail(
    collecting: Any, organization: Any, body: bytes, lines: bool, packed: bool
) -> None:
    headers = {"content_type": "application/x-ndjson"} if lines else {}
    headers |= {"content_encoding": "gzip"} if packed else {}
    answer = await collecting.events(body, organization.key, **headers)
    assert answer.status_code in {202, 400}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    st.lists,
    max_leaves=5,
)
fields = st.sampled_from(["id", "content_id", "kind", "platform", "actor", "value", "attributes", "robot", "x"])


@given(sent=st.lists(json_values | st.dictionaries(fields, json_values), max_size=10))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_json_whatever_makes_it_fail_and_each_item_is_answered(
    collecting: Any, organization: Any, sent: list[Any]
) -> None:
    answer = await collecting.events(json.dumps(sent).encode(), organization.key)
    assert answer.status_code == 202
    assert answer.json()["accepted"] == 0
    assert [refused["index"] for refused in answer.json()["rejected"]] == list(range(len(sent)))


@pytest.mark.parametrize("start", [b"GET /healthz HTTP/1.1\r\n", b"GET /healthz HTTP/1.1\r\nX-Long: ", b"GET /"])
async def test_headers_without_end_are_hung_up_on(collecting: Any, start: bytes) -> None:
    port = int(collecting.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    endless = b"a" * 1000 if b"X-Long" in start or start == b"GET /" else b"X-A: 1\r\n" * 100
    writer.write(start)
    with contextlib.suppress(ConnectionError):
        for _ in range(1000):
            writer.write(endless)
            await writer.drain()
    with contextlib.suppress(ConnectionError):
        assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
    writer.close()


async def test_requests_one_after_the_other_on_one_connection_may_be_longer_together(
    collecting: Any, organization: Any
) -> None:
    for _ in range(20):
        answer = await collecting.events([], organization.key, x_padding="a" * 10_000)
        assert answer.status_code == 202
