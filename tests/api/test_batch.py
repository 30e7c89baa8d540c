"""Actions on many pieces: the same gate for each, a result for each; and an old revision restored."""

from typing import Any

import pytest

from wire.ids import new_id


async def draft(client, person, title: str = "t") -> str:
    piece = {"type": "custom", "title": title}
    return (await client.post("/api/v1/content", json=piece, headers=person.headers)).json()["id"]


async def act(client, person, action: str, ids: list[str], **more: object) -> Any:
    body = {"action": action, "ids": ids, **more}
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


@pytest.mark.parametrize(
    "body",
    [
        {"action": "submit", "ids": []},
        {"action": "submit", "ids": ["0198c0de-0000-7000-8000-000000000001"] * 2},
        {"action": "submit", "ids": [str(new_id()) for _ in range(101)]},
        {"action": "reject", "ids": ["0198c0de-0000-7000-8000-000000000001"]},
        {"action": "assign", "ids": ["0198c0de-0000-7000-8000-000000000001"]},
        {"action": "schedule", "ids": ["0198c0de-0000-7000-8000-000000000001"]},
        {"action": "delete", "ids": ["0198c0de-0000-7000-8000-000000000001"]},
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
