"""Actions on many pieces: the same gate for each, a result for each; and an old revision restored."""

from typing import Any

import pytest

from wire.ids import new_id

FAR = "2999-01-01T00:00:00Z"


async def draft(client, person, title: str = "t") -> str:
    piece = {"type": "custom", "title": title}
    return (await client.post("/api/v1/content", json=piece, headers=person.headers)).json()["id"]


async def act(client, person, action: str, ids: list[str], **more: object) -> Any:
    body = {"action": action, "items": [{"id": id_} for id_ in ids], **more}
    return await client.post("/api/v1/content/bulk/actions", json=body, headers=person.headers)


async def statuses(client, team, ids: list[str]) -> list[str]:
    shown = [await client.get(f"/api/v1/content/{id_}", headers=team.viewer.headers) for id_ in ids]
    return [one.json()["status"] for one in shown]


async def test_each_piece_has_its_own_result_and_one_refused_stops_no_other(client, team, strangers) -> None:
    ids = [await draft(client, team.editor) for _ in range(3)]
    await client.post(f"/api/v1/content/{ids[1]}/archive", headers=team.editor.headers)
    foreign = await draft(client, strangers.editor)
    asked = [ids[0], foreign, ids[1], str(new_id()), ids[2]]
    answer = await act(client, team.editor, "submit", asked)
    results = answer.json()["results"]
    assert [one["id"] for one in results] == asked
    assert [one["status"] for one in results] == [200, 404, 409, 404, 200]
    assert [one["detail"] is None for one in results] == [True, False, False, False, True]
    assert await statuses(client, team, ids) == ["pending_approval", "archived", "pending_approval"]


async def test_every_action_asks_what_it_asks_alone(client, team, superuser) -> None:
    ids = [await draft(client, team.editor) for _ in range(2)]

    async def each(person: Any, action: str, **more: object) -> list[int]:
        return [one["status"] for one in (await act(client, person, action, ids, **more)).json()["results"]]

    assert await each(team.viewer, "submit") == [403, 403]
    assert await each(team.editor, "publish") == [409, 409]
    assert await each(team.editor, "submit") == [200, 200]
    assert await each(team.editor, "approve") == [403, 403]
    assert await each(team.approver, "reject", reason="no source") == [200, 200]
    assert await each(team.editor, "submit") == [200, 200]
    assert await each(team.approver, "approve") == [200, 200]
    assert await statuses(client, team, ids) == ["approved", "approved"]
    assert await each(team.editor, "publish") == [200, 200]
    asked = "SELECT count(*) FROM outbox WHERE key = ANY ($1) AND type = 'content.publish'"
    assert await superuser.fetchval(asked, ids) == 2
    assert await each(team.editor, "return") == [200, 200]
    assert await each(team.editor, "archive") == [200, 200]
    assert await each(team.editor, "restore") == [200, 200]
    assert await each(team.editor, "assign", assignee_id=str(team.viewer.id)) == [200, 200]
    listed = await client.get(
        "/api/v1/content", params={"assignee_id": str(team.viewer.id)}, headers=team.viewer.headers
    )
    assert {piece["id"] for piece in listed.json()["items"]} == set(ids)


ONE = {"id": "0198c0de-0000-7000-8000-000000000001"}
SOMEBODY = "0198c0de-0000-7000-8000-000000000002"


async def test_a_piece_that_was_changed_since_it_was_read_is_412_and_stops_no_other(client, team) -> None:
    ids = [await draft(client, team.editor) for _ in range(4)]
    read = [await client.get(f"/api/v1/content/{id_}", headers=team.editor.headers) for id_ in ids]
    await client.put(f"/api/v1/content/{ids[1]}", json={"title": "u"}, headers=team.editor.headers)
    items = [{"id": id_, "etag": one.headers["etag"]} for id_, one in zip(ids, read, strict=True)]
    items[2]["etag"] = "unquoted"
    items[3]["etag"] = "*"
    body = {"action": "submit", "items": items}
    answer = await client.post("/api/v1/content/bulk/actions", json=body, headers=team.editor.headers)
    results = answer.json()["results"]
    assert [one["status"] for one in results] == [200, 412, 400, 200]
    assert await statuses(client, team, ids) == ["pending_approval", "draft", "draft", "pending_approval"]
    now = await client.get(f"/api/v1/content/{ids[0]}", headers=team.editor.headers)
    assert [one["etag"] for one in results[:3]] == [now.headers["etag"], None, None]
    again = {"action": "return", "items": [{"id": one["id"], "etag": one["etag"]} for one in results if one["etag"]]}
    answer = await client.post("/api/v1/content/bulk/actions", json=again, headers=team.editor.headers)
    assert [one["status"] for one in answer.json()["results"]] == [200, 200]


async def test_many_are_scheduled_at_once_through_the_same_gate(client, team) -> None:
    ids = [await draft(client, team.editor) for _ in range(3)]
    await act(client, team.editor, "submit", ids[:2])
    await act(client, team.approver, "approve", ids[:2])

    async def each(person: Any, action: str, **more: object) -> list[int]:
        return [one["status"] for one in (await act(client, person, action, ids, **more)).json()["results"]]

    assert await each(team.approver, "schedule", scheduled_at=FAR) == [403, 403, 403]
    assert await each(team.editor, "schedule", scheduled_at="2020-01-01T00:00:00Z") == [422, 422, 409]
    assert await each(team.editor, "schedule", scheduled_at=FAR) == [200, 200, 409]
    shown = [await client.get(f"/api/v1/content/{id_}", headers=team.viewer.headers) for id_ in ids]
    assert [one.json()["scheduled_at"] for one in shown] == [FAR, FAR, None]
    assert await each(team.editor, "unschedule") == [200, 200, 409]
    assert await statuses(client, team, ids) == ["approved", "approved", "draft"]


@pytest.mark.parametrize(
    "body",
    [
        {"action": "submit", "items": []},
        {"action": "submit", "items": [ONE, {**ONE, "etag": '"1-0"'}]},
        {"action": "submit", "items": [{"id": str(new_id())} for _ in range(101)]},
        {"action": "submit", "items": [{**ONE, "status": "published"}]},
        {"action": "reject", "items": [ONE]},
        {"action": "assign", "items": [ONE]},
        {"action": "schedule", "items": [ONE]},
        {"action": "schedule", "items": [ONE], "scheduled_at": "2999-01-01T00:00:00"},
        {"action": "publish", "items": [ONE], "scheduled_at": "2999-01-01T00:00:00Z"},
        {"action": "approve", "items": [ONE], "reason": "it is good"},
        {"action": "submit", "items": [ONE], "assignee_id": SOMEBODY},
        {"action": "submit", "items": [ONE], "due_at": "2999-01-01T00:00:00Z"},
        {"action": "delete", "items": [ONE]},
    ],
)
async def test_what_cannot_be_done_to_many_is_422(client, team, body) -> None:
    answer = await client.post("/api/v1/content/bulk/actions", json=body, headers=team.editor.headers)
    assert answer.status_code == 422


async def test_an_old_revision_is_restored_as_a_new_one_that_needs_approval_anew(client, team) -> None:
    id_ = await draft(client, team.editor, "first")
    address = f"/api/v1/content/{id_}"
    await client.put(address, json={"title": "second", "body": "b", "platforms": ["x"]}, headers=team.editor.headers)
    await client.post(f"{address}/submit", headers=team.editor.headers)
    await client.post(f"{address}/approve", headers=team.approver.headers)
    restored = await client.post(f"{address}/revisions/1/restore", headers=team.org_admin.headers)
    assert restored.status_code == 200
    shown = {name: restored.json()[name] for name in ("title", "body", "platforms", "revision", "status")}
    assert shown == {"title": "first", "body": "", "platforms": [], "revision": 3, "status": "draft"}
    known = (await client.get(f"{address}/revisions", headers=team.viewer.headers)).json()
    assert [one["revision"] for one in known] == [3, 2, 1]
    assert known[0]["sha256"] == known[2]["sha256"] != known[1]["sha256"]
    trail = (await client.get("/api/v1/audit", headers=team.org_admin.headers)).json()["items"]
    assert trail[0]["entry"]["details"] == {"revision": 3, "restored": 1}
    assert (await client.post(f"{address}/revisions/9/restore", headers=team.editor.headers)).status_code == 404
    assert (await client.post(f"{address}/revisions/0/restore", headers=team.editor.headers)).status_code == 400
