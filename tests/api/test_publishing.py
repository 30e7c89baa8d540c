"""From a draft to a published piece: who may, in which state, and what the gate refuses."""

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

import wire.postgres
from api.content.models import ContentStatus
from api.content.revisions import digest
from api.content.states import TRANSITIONS, Action
from api.worker.carry_out import carry_out, decode
from wire.ids import new_id

BODIES = {"reject": {"reason": "no source"}, "schedule": {"scheduled_at": "2999-01-01T00:00:00Z"}}
WHO = {"submit": "editor", "approve": "approver", "reject": "approver"}


@pytest.fixture(scope="module")
async def pool(settings) -> AsyncIterator[asyncpg.Pool]:
    made = await wire.postgres.pool(settings.postgres_app_url)
    yield made
    await made.close()


async def do(client, team, piece: str, action: str, role: str = "") -> Any:
    headers = team.people[role or WHO.get(action, "editor")].headers
    if action == "unschedule":
        return await client.delete(f"/api/v1/content/{piece}/schedule", headers=headers)
    return await client.post(f"/api/v1/content/{piece}/{action}", json=BODIES.get(action), headers=headers)


async def make(client, team, *actions: str) -> str:
    body = {"type": "custom", "title": "t", "body": "one\ntwo"}
    piece = (await client.post("/api/v1/content", json=body, headers=team.editor.headers)).json()["id"]
    for action in actions:
        answer = await do(client, team, piece, action)
        assert answer.is_success, answer.text
    return piece


async def show(client, team, piece: str, what: str = "") -> Any:
    return (await client.get(f"/api/v1/content/{piece}{what}", headers=team.viewer.headers)).json()


async def edit(client, team, piece: str, role: str = "editor", **changes: str) -> Any:
    return await client.put(f"/api/v1/content/{piece}", json=changes, headers=team.people[role].headers)


async def deliver(pool: asyncpg.Pool, superuser: asyncpg.Pool, piece: str) -> None:
    """Carry out the newest publish command of a piece, taken from the outbox."""
    row = await superuser.fetchrow(
        "SELECT * FROM outbox WHERE key = $1 AND type = 'content.publish' ORDER BY id DESC LIMIT 1", piece
    )
    assert (row["exchange"], row["routing_key"][:6]) == ("tallywire.commands", "shard.")
    await carry_out(pool, decode(row["body"]))


WAYS = {
    ContentStatus.DRAFT: (),
    ContentStatus.PENDING_APPROVAL: ("submit",),
    ContentStatus.APPROVED: ("submit", "approve"),
    ContentStatus.ARCHIVED: ("archive",),
}


@pytest.mark.parametrize("action", list(Action))
@pytest.mark.parametrize("status", list(WAYS))
async def test_each_action_is_possible_in_the_states_of_the_table_and_409_in_any_other(
    client, team, status, action
) -> None:
    piece = await make(client, team, *WAYS[status])
    assert (await show(client, team, piece))["status"] == status
    answer = await do(client, team, piece, action)
    if status in TRANSITIONS[action].came_from:
        after = status if action is Action.PUBLISH else TRANSITIONS[action].to
        assert (answer.is_success, answer.json()["status"]) == (True, after)
        compliance = TRANSITIONS[action].compliance
        assert compliance is None or answer.json()["compliance_status"] == compliance
    else:
        assert (answer.status_code, (await show(client, team, piece))["status"]) == (409, status)


async def test_an_approved_piece_is_published_by_its_command(client, team, pool, superuser) -> None:
    piece = await make(client, team, "submit", "approve", "publish")
    assert (await show(client, team, piece))["status"] == "approved"
    await deliver(pool, superuser, piece)
    shown = await show(client, team, piece)
    assert (shown["status"], shown["publish_problem"]) == ("published", None)
    assert shown["published_at"]
    assert (await edit(client, team, piece, title="u")).status_code == 409


async def test_what_is_published_already_is_published_once_and_has_no_problem(client, team, pool, superuser) -> None:
    piece = await make(client, team, "submit", "approve", "publish", "publish")
    asked = "SELECT body FROM outbox WHERE key = $1 AND type = 'content.publish' ORDER BY id"
    for row in await superuser.fetch(asked, piece):
        await carry_out(pool, decode(row["body"]))
    shown = await show(client, team, piece)
    assert (shown["status"], shown["publish_problem"]) == ("published", None)
    told = await superuser.fetch(
        "SELECT entry::jsonb ->> 'action' AS action, entry::jsonb -> 'details' ->> 'refusal' AS refusal "
        "FROM audit_entries WHERE organization_id = $1 ORDER BY sequence DESC LIMIT 2",
        team.id,
    )
    assert [tuple(row) for row in told] == [
        ("content.publish_refused", "published_already"),
        ("content.published", None),
    ]


async def test_an_edit_voids_the_approvals_and_what_was_asked_before_it_is_not_published(
    client, team, pool, superuser
) -> None:
    piece = await make(client, team, "submit", "approve", "publish")
    assert (await edit(client, team, piece, title="changed")).json()["status"] == "draft"
    assert [one["voided_at"] is None for one in await show(client, team, piece, "/approvals")] == [False]
    for action in ("submit", "approve"):
        assert (await do(client, team, piece, action)).is_success
    await deliver(pool, superuser, piece)
    shown = await show(client, team, piece)
    assert (shown["status"], shown["publish_problem"]) == ("approved", "hash_mismatch")


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ("UPDATE approvals SET created_at = now() - interval '31 days' WHERE content_id = $1", "approval_expired"),
        ("UPDATE approvals SET voided_at = now() WHERE content_id = $1", "too_few_approvals"),
        (
            "UPDATE users SET status = 'suspended' WHERE id = "
            "(SELECT approver_id FROM approvals WHERE content_id = $1)",
            "too_few_approvals",
        ),
        (
            "UPDATE content_revisions SET author_id = "
            "(SELECT approver_id FROM approvals WHERE content_id = $1) WHERE content_id = $1",
            "too_few_approvals",
        ),
    ],
)
async def test_what_no_longer_holds_is_refused_by_worker_and_plain_sql_alike(
    client, team, pool, superuser, change, refusal
) -> None:
    piece = await make(client, team, "submit", "approve", "publish")
    id_ = UUID(piece)
    await superuser.execute(change, id_)
    with pytest.raises(asyncpg.CheckViolationError, match=refusal):
        await superuser.execute("UPDATE content SET status = 'published' WHERE id = $1", id_)
    await deliver(pool, superuser, piece)
    shown = await show(client, team, piece)
    assert (shown["status"], shown["publish_problem"]) == ("approved", refusal)
    actions = await superuser.fetch(
        "SELECT entry::jsonb ->> 'action' AS action FROM audit_entries WHERE organization_id = $1 ORDER BY sequence",
        team.id,
    )
    assert [row["action"] for row in actions][-2:] == ["content.publish_requested", "content.publish_refused"]


@pytest.mark.parametrize("way", [(), ("submit",), ("archive",)])
async def test_plain_sql_cannot_publish_what_is_not_approved(client, team, superuser, way) -> None:
    piece = UUID(await make(client, team, *way))
    for change in ("", ", body = 'x'", ", origin = 'imported', source_ref = 'x'"):
        with pytest.raises(asyncpg.CheckViolationError, match="may not be published"):
            await superuser.execute(f"UPDATE content SET status = 'published'{change} WHERE id = $1", piece)


async def test_plain_sql_cannot_slip_another_text_under_an_approval(client, team, pool, superuser) -> None:
    piece = await make(client, team, "submit", "approve", "publish")
    with pytest.raises(asyncpg.CheckViolationError, match="hash_mismatch"):
        await superuser.execute("UPDATE content SET status = 'published', body = 'x' WHERE id = $1", UUID(piece))
    await deliver(pool, superuser, piece)
    with pytest.raises(asyncpg.CheckViolationError, match="edited_in_place"):
        await superuser.execute("UPDATE content SET body = 'x' WHERE id = $1", UUID(piece))
    insert = """INSERT INTO content (id, organization_id, creator_id, type, title, status)
                VALUES ($1, $2, $3, 'custom', 't', 'published')"""
    with pytest.raises(asyncpg.CheckViolationError, match="may not be published"):
        await superuser.execute(insert, new_id(), team.id, team.editor.id)


async def test_who_has_written_a_piece_never_approves_it(client, team) -> None:
    piece = await make(client, team)
    await edit(client, team, piece, "org_admin", title="u")
    await edit(client, team, piece, title="v")
    await do(client, team, piece, "submit")
    answer = await do(client, team, piece, "approve", "org_admin")
    assert (answer.status_code, "four eyes" in answer.json()["detail"]) == (403, True)
    assert (await do(client, team, piece, "approve", "super_admin")).json()["status"] == "approved"


async def test_a_policy_of_two_steps_needs_two_people_in_its_order(client, team, pool, superuser) -> None:
    policy = {"type": "custom", "steps": ["org_admin", "approver"], "expires_after_days": 2}
    answer = await client.put("/api/v1/approval-policies", json=policy, headers=team.org_admin.headers)
    assert answer.json() == {**policy, "four_eyes": True}
    piece = await make(client, team, "submit")
    assert (await do(client, team, piece, "approve")).status_code == 403
    assert (await do(client, team, piece, "approve", "org_admin")).json()["status"] == "pending_approval"
    assert (await do(client, team, piece, "approve", "org_admin")).status_code == 409
    assert (await do(client, team, piece, "approve")).json()["status"] == "approved"
    await do(client, team, piece, "publish")
    await deliver(pool, superuser, piece)
    assert (await show(client, team, piece))["status"] == "published"


async def test_revisions_are_kept_and_compared(client, team) -> None:
    piece = await make(client, team)
    await edit(client, team, piece, body="one\nthree")
    listed = await show(client, team, piece, "/revisions")
    assert [(one["revision"], one["author_id"]) for one in listed] == [(n, str(team.editor.id)) for n in (2, 1)]
    first = await show(client, team, piece, "/revisions/1")
    assert (first["body"], first["sha256"]) == ("one\ntwo", digest("custom", "t", "one\ntwo", []))
    diff = (await show(client, team, piece, "/revisions/1...2"))["diff"]
    assert diff.splitlines()[-2:] == ["-two", "+three"]
    assert (await show(client, team, piece, "/revisions/3"))["status"] == 404


storable = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)


@examples(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(title=storable, body=storable, platforms=st.lists(storable, max_size=3))
async def test_python_and_postgresql_hash_a_text_alike(superuser, title, body, platforms) -> None:
    found = await superuser.fetchval("SELECT content_sha256('custom', $1, $2, $3)", title, body, platforms)
    assert found == digest("custom", title, body, platforms)


async def test_the_audit_trail_refuses_every_change_and_a_foreign_entry(
    client, team, strangers, pool, superuser
) -> None:
    await make(client, team)
    for forbidden in ("UPDATE audit_entries SET hash = ''", "DELETE FROM audit_entries", "TRUNCATE audit_entries"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="only grows"):
            await superuser.execute(forbidden)
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT set_config('app.organization_id', $1, true)", str(team.id))
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(
                "SELECT append_audit($1, $2, 'x', NULL, $3::jsonb)", strangers.id, team.editor.id, json.dumps({})
            )
