"""Comments: anchored to words, which they find again after edits; answered, resolved, changed by their author only."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.comments.anchors import Place, moved, shared

PIECE = {"type": "custom", "title": "t", "body": "Yields fell for a third day. Gold rose. Yields fell again."}
ANCHOR = {"revision": 1, "first": 29, "last": 38, "quote": "Gold rose"}
TEXT = st.text("ab \u00e4\U0001f388", max_size=12)


@pytest.fixture
async def piece(client, team) -> str:
    """The address of a piece."""
    answer = await client.post("/api/v1/content", json=PIECE, headers=team.editor.headers)
    return f"/api/v1/content/{answer.json()['id']}"


async def say(client, person, piece: str, **more: object) -> Any:
    return await client.post(f"{piece}/comments", json={"body": "Why?", **more}, headers=person.headers)


async def listed(client, team, piece: str, **asked: object) -> dict[str, Any]:
    answer = await client.get(f"{piece}/comments", params=asked, headers=team.viewer.headers)
    assert answer.status_code == 200
    return answer.json()


async def edit(client, team, piece: str, body: str) -> None:
    assert (await client.put(piece, json={"body": body}, headers=team.editor.headers)).status_code == 200


async def test_an_anchored_comment_follows_its_words_and_says_when_they_are_gone(client, team, piece) -> None:
    made = await say(client, team.approver, piece, anchor=ANCHOR)
    assert made.status_code == 201
    assert (made.json()["anchor"], made.json()["now"]) == (ANCHOR, {"first": 29, "last": 38})
    await edit(client, team, piece, "In London, " + PIECE["body"])
    [comment] = (await listed(client, team, piece))["items"]
    assert (comment["anchor"], comment["now"], comment["outdated"]) == (ANCHOR, {"first": 40, "last": 49}, False)
    await edit(client, team, piece, "Silver rose.")
    [comment] = (await listed(client, team, piece))["items"]
    assert (comment["anchor"], comment["now"], comment["outdated"]) == (ANCHOR, None, True)


@pytest.mark.parametrize(
    "anchor",
    [{**ANCHOR, "first": 28}, {**ANCHOR, "quote": "Gold fell"}, {**ANCHOR, "revision": 2}, {**ANCHOR, "last": 39}],
)
async def test_an_anchor_whose_words_are_not_there_is_422(client, team, piece, anchor) -> None:
    assert (await say(client, team.editor, piece, anchor=anchor)).status_code == 422
    assert (await listed(client, team, piece))["items"] == []


async def test_an_answer_belongs_to_the_first_comment_of_a_thread_on_the_same_piece(client, team, piece) -> None:
    first = (await say(client, team.editor, piece)).json()["id"]
    answer = (await say(client, team.approver, piece, parent_id=first)).json()
    assert answer["parent_id"] == first
    assert (await say(client, team.editor, piece, parent_id=answer["id"])).status_code == 409
    assert (await say(client, team.editor, piece, parent_id=first, anchor=ANCHOR)).status_code == 422
    other = await client.post("/api/v1/content", json=PIECE, headers=team.editor.headers)
    elsewhere = f"/api/v1/content/{other.json()['id']}"
    assert (await say(client, team.editor, elsewhere, parent_id=first)).status_code == 404


async def test_only_the_author_edits_and_deletes_and_what_is_deleted_keeps_its_answers(client, team, piece) -> None:
    first = (await say(client, team.editor, piece)).json()["id"]
    await say(client, team.approver, piece, parent_id=first)
    address, other = f"{piece}/comments/{first}", {"body": "Since when?"}
    for person in (team.approver, team.org_admin, team.super_admin):
        assert (await client.put(address, json=other, headers=person.headers)).status_code == 403
        assert (await client.delete(address, headers=person.headers)).status_code == 403
    edited = (await client.put(address, json=other, headers=team.editor.headers)).json()
    assert (edited["body"], edited["edited_at"] is not None) == ("Since when?", True)
    assert (await client.delete(address, headers=team.editor.headers)).json()["body"] == ""
    assert (await client.put(address, json=other, headers=team.editor.headers)).status_code == 409
    assert [one["body"] for one in (await listed(client, team, piece))["items"]] == ["", "Why?"]


async def test_a_thread_is_resolved_and_opened_again(client, team, piece) -> None:
    first = (await say(client, team.editor, piece)).json()["id"]
    answer = (await say(client, team.editor, piece, parent_id=first)).json()["id"]

    async def act(comment: str, deed: str) -> Any:
        return await client.post(f"{piece}/comments/{comment}/{deed}", headers=team.approver.headers)

    assert (await act(first, "reopen")).status_code == 409
    resolved = (await act(first, "resolve")).json()
    assert (resolved["resolved_by"], resolved["resolved_at"] is None) == (str(team.approver.id), False)
    assert [(await act(first, "resolve")).status_code, (await act(answer, "resolve")).status_code] == [409, 409]
    assert (await act(first, "reopen")).json()["resolved_at"] is None


async def test_comments_come_in_parts_each_once_and_each_is_in_the_trail(client, team, piece) -> None:
    made = [(await say(client, team.editor, piece)).json()["id"] for _ in range(5)]
    seen, after = [], {}
    while len(seen) < 5:
        part = await listed(client, team, piece, limit=2, **after)
        seen += [one["id"] for one in part["items"]]
        after = {"cursor": part["next_cursor"]}
    assert (seen, after) == (made, {"cursor": None})
    answer = await client.get(f"{piece}/comments", params={"cursor": "none"}, headers=team.viewer.headers)
    assert answer.status_code == 400
    trail = (await client.get("/api/v1/audit", headers=team.org_admin.headers)).json()["items"]
    said = [one["entry"]["details"]["comment_id"] for one in trail if one["entry"]["action"] == "comment.created"]
    assert said == made[::-1]


async def test_the_same_comment_with_the_same_key_is_said_once(client, team, piece) -> None:
    headers = {**team.editor.headers, "Idempotency-Key": "k"}
    answers = [await client.post(f"{piece}/comments", json={"body": "Once"}, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].content == answers[1].content
    assert len((await listed(client, team, piece))["items"]) == 1


@given(TEXT, TEXT, TEXT, TEXT, TEXT.filter(bool))
def test_words_outside_of_what_was_edited_are_followed_exactly(head, old, new, tail, quote) -> None:
    before = head + old + tail + quote
    was = Place(len(before) - len(quote), len(before))
    after = head + new + tail + quote
    found = moved(was, before, after)
    assert found is not None
    assert after[found.first : found.last] == quote
    if shared(before, after) < was.first:
        assert found == Place(len(after) - len(quote), len(after))
    in_front = moved(Place(0, len(quote)), quote + before, quote + after)
    assert in_front == Place(0, len(quote))


@given(TEXT, TEXT, st.data())
def test_an_anchor_points_at_its_own_words_or_they_are_gone(old, new, data) -> None:
    if not old:
        return
    first = data.draw(st.integers(0, len(old) - 1))
    was = Place(first, data.draw(st.integers(first + 1, len(old))))
    quote, found = old[was.first : was.last], moved(was, old, new)
    assert (new[found.first : found.last] == quote) if found else (quote not in new)
