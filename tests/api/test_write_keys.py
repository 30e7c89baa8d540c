"""Write keys: shown once, stored as a hash, revoked for good."""

import hashlib
import re
from uuid import UUID

import pytest


async def test_a_new_key_is_shown_once_and_stored_as_a_hash(client, team, superuser) -> None:
    answer = await client.post(
        "/api/v1/write-keys",
        json={"name": " website ", "rights": ["history", "events"]},
        headers=team.org_admin.headers,
    )
    assert answer.status_code == 201
    made = answer.json()
    key = made.pop("key")
    assert re.fullmatch(r"twk_[A-Za-z0-9_-]{43}", key)
    assert (made["name"], made["rights"], made["revoked_at"]) == ("website", ["events", "history"], None)
    listed = await client.get("/api/v1/write-keys", headers=team.org_admin.headers)
    assert listed.json() == [made]
    row = await superuser.fetchrow("SELECT *, w::text AS whole FROM write_keys w WHERE id = $1", UUID(made["id"]))
    assert row["key_hash"] == hashlib.sha256(key.encode("ascii")).digest()
    assert key not in row["whole"]
    assert key[4:] not in row["whole"]


async def test_a_revoked_key_stays_listed_with_the_time_and_revoking_again_changes_nothing(client, team) -> None:
    body = {"name": "website", "rights": ["events"]}
    made = (await client.post("/api/v1/write-keys", json=body, headers=team.org_admin.headers)).json()
    seen = []
    for _ in range(2):
        answer = await client.delete(f"/api/v1/write-keys/{made['id']}", headers=team.org_admin.headers)
        assert (answer.status_code, answer.content) == (204, b"")
        seen.append((await client.get("/api/v1/write-keys", headers=team.org_admin.headers)).json())
    assert seen[0][0]["revoked_at"] is not None
    assert seen[0] == seen[1]


@pytest.mark.parametrize(
    "body",
    [
        {"name": "x", "rights": []},
        {"name": "x", "rights": ["everything"]},
        {"name": "x"},
        {"name": "", "rights": ["events"]},
        {"name": "x" * 101, "rights": ["events"]},
        {"name": "a\0", "rights": ["events"]},
        {"name": "x", "rights": ["events"], "key_hash": "00"},
    ],
)
async def test_a_key_that_is_not_valid_is_422(client, team, body) -> None:
    answer = await client.post("/api/v1/write-keys", json=body, headers=team.org_admin.headers)
    assert answer.status_code == 422
    assert (await client.get("/api/v1/write-keys", headers=team.org_admin.headers)).json() == []


async def test_two_keys_are_never_the_same(client, team) -> None:
    body = {"name": "same", "rights": ["events"]}
    keys = [
        (await client.post("/api/v1/write-keys", json=body, headers=team.org_admin.headers)).json()["key"]
        for _ in range(5)
    ]
    assert len(set(keys)) == 5
