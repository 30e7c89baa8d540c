"""What the routes are asked for: rows of each kind, made through the API by people of a team."""

import json
import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import httpx2

from tests.api.conftest import PASSWORD
from tests.api.routes import API_KEY, CASES, GUEST, KEY, PIECE, SAID, TIME
from wire.ids import new_id

NEW_PIECE = ("editor", "/api/v1/content", PIECE)
SUBMITTED = ("editor", "/api/v1/content/{made}/submit", None)
APPROVED = ("approver", "/api/v1/content/{made}/approve", None)
KINDS: dict[str, tuple[tuple[str, str, Any], ...]] = {
    "draft": (NEW_PIECE,),
    "pending": (NEW_PIECE, SUBMITTED),
    "approved": (NEW_PIECE, SUBMITTED, APPROVED),
    "scheduled": (NEW_PIECE, SUBMITTED, APPROVED, ("editor", "/api/v1/content/{made}/schedule", TIME)),
    "archived": (NEW_PIECE, ("editor", "/api/v1/content/{made}/archive", None)),
    "comment": (("editor", "/api/v1/content/{id}/comments", SAID),),
    "resolved": (
        ("editor", "/api/v1/content/{id}/comments", SAID),
        ("editor", "/api/v1/content/{id}/comments/{made}/resolve", None),
    ),
    "write_key": (("super_admin", "/api/v1/write-keys", KEY),),
    "api_key": (("super_admin", "/api/v1/api-keys", API_KEY),),
    "invitation": (("super_admin", "/api/v1/invitations", GUEST),),
}
"""How a row of a kind is made: who posts what where. `{made}` is the id that the first of them answered."""

OTHERWISE: dict[str, Any] = {}
"""Kinds that are not made through the API, but by a function of the team."""


async def make(client: httpx2.AsyncClient, kind: str, team: Any, made_before: Mapping[str, UUID]) -> UUID:
    """A row of this team's, made through the API; a role is the person who has it."""
    if kind in OTHERWISE:
        return await OTHERWISE[kind](team)
    if kind in team.people:
        return UUID(str(team.people[kind].id))
    if kind in {"user", "organization"}:
        return {"user": team.viewer.id, "organization": team.id}[kind]
    if kind == "session":
        form = {"username": team.super_admin.email, "password": PASSWORD}
        token = (await client.post("/api/v1/auth/token", data=form)).json()["access_token"]
        listed = await client.get("/api/v1/sessions", headers={"Authorization": f"Bearer {token}"})
        return UUID(listed.json()[0]["id"])
    if kind == "assignee":
        address = f"/api/v1/content/{made_before['id']}/assignees/{team.viewer.id}"
        assert (await client.put(address, json={}, headers=team.editor.headers)).is_success
        return UUID(str(team.viewer.id))
    made = ""
    for role, address, body in KINDS[kind]:
        headers = team.people[role].headers
        sent = json.loads(json.dumps(body).replace("{new}", str(new_id())))
        answer = await client.post(
            address.replace("{made}", made).replace("{id}", str(made_before.get("id"))), json=sent, headers=headers
        )
        assert answer.is_success, answer.text
        made = made or answer.json()["id"]
    return UUID(made)


async def rows_for(client: httpx2.AsyncClient, route: tuple[str, str], team: Any) -> dict[str, UUID]:
    rows: dict[str, UUID] = {}
    for name, kind in CASES[route].ids.items():
        rows[name] = await make(client, kind, team, rows)
    return rows


async def ask(
    client: httpx2.AsyncClient, route: tuple[str, str], headers: dict[str, str], rows: Mapping[str, UUID]
) -> httpx2.Response:
    method, path = route
    case = CASES[route]
    wanted = json.dumps([path + case.query, case.body])
    for name, row in rows.items():
        wanted = wanted.replace(f"{{{name}}}", str(row))
    address, body = json.loads(wanted.replace("{new}", str(new_id())))
    address = re.sub(r"{\w+}", "1", address)
    return await client.request(method, address, json=body, headers={**headers, "X-Request-Id": "the-same"})
