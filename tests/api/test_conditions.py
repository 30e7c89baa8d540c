"""ETag, If-Match and If-None-Match: nobody overwrites what they have not seen."""

import asyncio
from typing import Any

import msgspec
import pytest

import wire.postgres
from api.content.schemas import ContentResponse
from api.worker.carry_out import carry_out
from wire.commands import RECORD_ENGAGEMENT, Command, Engagement, RecordEngagement
from wire.ids import new_id

PIECE = {"type": "custom", "title": "first"}


async def create(client, team) -> tuple[str, str]:
    """The address of a new piece, and its ETag."""
    answer = await client.post("/api/v1/content", json=PIECE, headers=team.editor.headers)
    return f"/api/v1/content/{answer.json()['id']}", answer.headers["etag"]


async def put(client, team, address: str, title: str, **headers: str) -> Any:
    return await client.put(address, json={"title": title}, headers={**team.editor.headers, **headers})


async def count(settings, team, address: str, views: int) -> None:
    """A reader's view, as the worker records it."""
    totals = {"web": {"view": {"count": views, "robots": 0, "value": 0}}}
    figures = Engagement(organization_id=team.id, content_id=address[-36:], version=views, totals=totals)
    command = Command(
        id=new_id(),
        type=RECORD_ENGAGEMENT,
        organization_id=None,
        key="0",
        issued_at="2026-01-01T00:00:00Z",
        payload=msgspec.Raw(msgspec.json.encode(RecordEngagement(updates=(figures,)))),
    )
    pool = await wire.postgres.pool(settings.postgres_app_url)
    await carry_out(pool, msgspec.json.decode(msgspec.json.encode(command), type=Command))
    await pool.close()


async def test_an_etag_is_of_every_byte_and_the_same_from_every_answer_with_the_piece(client, team, settings) -> None:
    address, created = await create(client, team)
    shown = await client.get(address, headers=team.viewer.headers)
    assert shown.headers["etag"] == created
    assert created.startswith('"')
    changed = await put(client, team, address, "second")
    shown = await client.get(address, headers=team.viewer.headers)
    assert shown.headers["etag"] == changed.headers["etag"] != created
    assert shown.content == changed.content
    await count(settings, team, address, 3)
    viewed = await client.get(address, headers=team.viewer.headers)
    assert viewed.json()["engagement_stats"]["totals"]["web"]["view"]["count"] == 3
    assert viewed.headers["etag"] != changed.headers["etag"]
    assert ContentResponse.model_validate_json(viewed.content).model_dump(mode="json") == viewed.json()


async def test_what_a_caller_has_already_is_304_without_a_body(client, team) -> None:
    address, etag = await create(client, team)
    for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        answer = await client.get(address, headers={**team.viewer.headers, "If-None-Match": known})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
    await put(client, team, address, "second")
    answer = await client.get(address, headers={**team.viewer.headers, "If-None-Match": etag})
    assert (answer.status_code, answer.json()["title"]) == (200, "second")


async def test_a_stale_if_match_is_412_and_changes_nothing_and_without_one_everything_works(client, team) -> None:
    address, etag = await create(client, team)
    changed = await put(client, team, address, "second", **{"If-Match": etag})
    assert changed.status_code == 200
    stale = await put(client, team, address, "third", **{"If-Match": etag})
    assert (stale.status_code, stale.json()["type"]) == (412, "urn:tallywire:problem:stale")
    assert (await client.get(address, headers=team.viewer.headers)).content == changed.content
    weak = await put(client, team, address, "third", **{"If-Match": f"W/{changed.headers['etag']}"})
    assert weak.status_code == 412
    one_of = f'"other", {changed.headers["etag"]}'
    assert (await put(client, team, address, "third", **{"If-Match": one_of})).status_code == 200
    assert (await put(client, team, address, "fourth", **{"If-Match": "*"})).status_code == 200
    assert (await put(client, team, address, "last")).status_code == 200


async def test_views_make_no_editor_s_copy_stale(client, team, settings) -> None:
    address, etag = await create(client, team)
    await count(settings, team, address, 1)
    assert (await put(client, team, address, "second", **{"If-Match": etag})).status_code == 200


async def test_of_updates_at_the_same_time_with_the_same_etag_exactly_one_wins(client, team) -> None:
    address, etag = await create(client, team)
    answers = await asyncio.gather(*(put(client, team, address, f"try {n}", **{"If-Match": etag}) for n in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 7
    won = next(answer for answer in answers if answer.status_code == 200)
    assert (await client.get(address, headers=team.viewer.headers)).content == won.content
    assert won.json()["revision"] == 2


async def test_an_action_asks_for_the_same(client, team) -> None:
    address, etag = await create(client, team)
    changed = await put(client, team, address, "second")
    stale = await client.post(f"{address}/submit", headers={**team.editor.headers, "If-Match": etag})
    assert stale.status_code == 412
    headers = {**team.editor.headers, "If-Match": changed.headers["etag"]}
    assert (await client.post(f"{address}/submit", headers=headers)).json()["status"] == "pending_approval"


@pytest.mark.parametrize("header", ["not quoted", '"open', '"a" "b"', ",", '"a",'])
async def test_an_etag_that_is_none_is_400(client, team, header) -> None:
    address, _ = await create(client, team)
    assert (await put(client, team, address, "x", **{"If-Match": header})).status_code == 400
    answer = await client.get(address, headers={**team.viewer.headers, "If-None-Match": header})
    assert answer.status_code == 400


async def test_an_action_answers_the_etag_that_the_next_one_can_name(client, team) -> None:
    address, etag = await create(client, team)
    for action, status in (("submit", 200), ("return", 200), ("archive", 200), ("restore", 200)):
        headers = {**team.editor.headers, "If-Match": etag}
        answer = await client.post(f"{address}/{action}", headers=headers)
        assert answer.status_code == status
        shown = await client.get(address, headers=team.viewer.headers)
        assert (answer.headers["etag"], answer.content) == (shown.headers["etag"], shown.content)
        assert (await client.post(f"{address}/archive", headers=headers)).status_code == 412
        etag = answer.headers["etag"]
