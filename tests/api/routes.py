"""Every route of the OpenAPI document, and how each is asked so that it would answer.

What a role may is taken from `api/auth/rules.py`, what a route answers from the document.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from api.app import create_app
from api.auth.rules import Permission
from tests.api.conftest import PASSWORD
from wire.settings import Settings

PUBLIC = {
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/.well-known/jwks.json"),
    ("POST", "/api/v1/auth/token"),
    ("POST", "/api/v1/auth/refresh"),
    ("POST", "/api/v1/auth/oidc/start"),
    ("POST", "/api/v1/auth/oidc/finish"),
    ("POST", "/api/v1/auth/password-reset"),
    ("POST", "/api/v1/invitations/accept"),
}


@dataclass(frozen=True)
class Case:
    """How a route is asked so that it would answer: `permission` None means every role may.

    `{name}` in the path, the query and the body stands for the id of a row of that kind in `ids`, `{new}` for a new id.
    `owner` is the role whose row it is, where others of the organization are answered `others`; `instead` is what is
    answered where the route does not succeed without more than one request.
    """

    permission: Permission | None = None
    body: Any = None
    ids: Mapping[str, str] = field(default_factory=dict)
    query: str = ""
    owner: str = ""
    others: int = 404
    instead: int = 0
    narrowing: bool = False
    """the ids only narrow a list: with one that is not there it is empty, and that is no error"""


def of(kind: str) -> dict[str, str]:
    return {"id": kind}


def on_draft(**kinds: str) -> dict[str, str]:
    """Rows that belong to a draft, which is made first."""
    return {"id": "draft", **kinds}


PIECE = {"type": "custom", "title": "by a test"}
SAID = {"body": "by a test"}
POLICY = {"type": "custom", "steps": ["approver"]}
TIME = {"scheduled_at": "2999-01-01T00:00:00Z"}
KEY = {"name": "k", "rights": ["events"]}
API_KEY = {"name": "k", "scopes": []}
GUEST = {"email": "{new}@people.example", "role": "viewer"}
NEW_ORGANIZATION = {"name": "n", "slug": "n-{new}", "admin_email": "a@people.example"}
NEW_PASSWORD = {"current_password": PASSWORD, "new_password": "seven purple horses on a roof"}
PROVEN = {"password": PASSWORD}
CASES = {
    ("GET", "/api/v1/me"): Case(),
    ("PATCH", "/api/v1/me"): Case(body={"profile": {"theme": "dark"}}),
    ("PUT", "/api/v1/me/password"): Case(body=NEW_PASSWORD),
    ("POST", "/api/v1/me/second-factor"): Case(body=PROVEN),
    ("POST", "/api/v1/me/second-factor/confirm"): Case(body={"code": "123456"}, instead=409),
    ("POST", "/api/v1/me/second-factor/remove"): Case(body={**PROVEN, "code": "123456"}, instead=404),
    ("POST", "/api/v1/auth/sign-out"): Case(),
    ("POST", "/api/v1/auth/sign-out-everywhere"): Case(),
    ("GET", "/api/v1/sessions"): Case(),
    ("DELETE", "/api/v1/sessions/{id}"): Case(ids=of("session"), owner="super_admin"),
    ("GET", "/api/v1/users"): Case(),
    ("GET", "/api/v1/users/{id}"): Case(ids=of("user")),
    ("PATCH", "/api/v1/users/{id}"): Case(Permission.MANAGE_USERS, {"role": "approver"}, of("user")),
    ("POST", "/api/v1/users/{id}/password-reset"): Case(Permission.MANAGE_USERS, ids=of("user")),
    ("DELETE", "/api/v1/users/{id}/second-factor"): Case(Permission.MANAGE_USERS, ids=of("user"), instead=404),
    ("POST", "/api/v1/invitations"): Case(Permission.MANAGE_USERS, GUEST),
    ("GET", "/api/v1/invitations"): Case(Permission.MANAGE_USERS),
    ("DELETE", "/api/v1/invitations/{id}"): Case(Permission.MANAGE_USERS, ids=of("invitation")),
    ("GET", "/api/v1/organizations"): Case(Permission.CROSS_ORGANIZATIONS),
    ("POST", "/api/v1/organizations"): Case(Permission.CROSS_ORGANIZATIONS, NEW_ORGANIZATION),
    ("GET", "/api/v1/organizations/{id}"): Case(ids=of("organization")),
    ("PATCH", "/api/v1/organizations/{id}"): Case(Permission.RENAME_ORGANIZATION, {"name": "r"}, of("organization")),
    ("POST", "/api/v1/api-keys"): Case(body=API_KEY),
    ("GET", "/api/v1/api-keys"): Case(),
    ("DELETE", "/api/v1/api-keys/{id}"): Case(ids=of("api_key"), owner="super_admin"),
    ("POST", "/api/v1/content"): Case(Permission.CREATE_CONTENT, PIECE),
    ("GET", "/api/v1/content"): Case(
        ids={"creator_id": "editor", "assignee_id": "viewer"},
        query="?creator_id={creator_id}&assignee_id={assignee_id}",
        narrowing=True,
    ),
    ("POST", "/api/v1/content/bulk"): Case(Permission.IMPORT_CONTENT, {"pieces": [{"source_ref": "one", **PIECE}]}),
    ("GET", "/api/v1/content/{id}"): Case(ids=of("draft")),
    ("PUT", "/api/v1/content/{id}"): Case(Permission.EDIT_ANY_CONTENT, {"title": "changed"}, of("draft")),
    ("GET", "/api/v1/content/{id}/stats"): Case(ids=of("draft")),
    ("GET", "/api/v1/content/{id}/readers"): Case(ids=of("draft")),
    ("POST", "/api/v1/content/{id}/submit"): Case(Permission.SUBMIT_CONTENT, ids=of("draft")),
    ("POST", "/api/v1/content/{id}/approve"): Case(Permission.APPROVE_CONTENT, ids=of("pending")),
    ("POST", "/api/v1/content/{id}/reject"): Case(Permission.APPROVE_CONTENT, {"reason": "no"}, of("pending")),
    ("POST", "/api/v1/content/{id}/return"): Case(Permission.SUBMIT_CONTENT, ids=of("pending")),
    ("POST", "/api/v1/content/{id}/publish"): Case(Permission.SUBMIT_CONTENT, ids=of("approved")),
    ("POST", "/api/v1/content/{id}/schedule"): Case(Permission.SUBMIT_CONTENT, TIME, of("approved")),
    ("DELETE", "/api/v1/content/{id}/schedule"): Case(Permission.SUBMIT_CONTENT, ids=of("scheduled")),
    ("POST", "/api/v1/content/{id}/archive"): Case(Permission.SUBMIT_CONTENT, ids=of("draft")),
    ("POST", "/api/v1/content/{id}/restore"): Case(Permission.SUBMIT_CONTENT, ids=of("archived")),
    ("GET", "/api/v1/content/{id}/approvals"): Case(ids=of("draft")),
    ("GET", "/api/v1/content/{id}/revisions"): Case(ids=of("draft")),
    ("GET", "/api/v1/content/{id}/revisions/{first}...{last}"): Case(ids=of("draft")),
    ("GET", "/api/v1/content/{id}/revisions/{number}"): Case(ids=of("draft")),
    ("POST", "/api/v1/content/{id}/revisions/{number}/restore"): Case(Permission.EDIT_ANY_CONTENT, ids=of("draft")),
    ("POST", "/api/v1/content/bulk/actions"): Case(
        body={"action": "assign", "items": [{"id": "{id}"}], "assignee_id": "{assignee_id}"},
        ids=on_draft(assignee_id="viewer"),
        narrowing=True,
    ),
    ("GET", "/api/v1/content/{id}/comments"): Case(ids=of("draft")),
    ("POST", "/api/v1/content/{id}/comments"): Case(
        Permission.COMMENT, {**SAID, "parent_id": "{parent_id}"}, {"id": "draft", "parent_id": "comment"}
    ),
    ("PUT", "/api/v1/content/{id}/comments/{comment_id}"): Case(
        Permission.COMMENT, SAID, on_draft(comment_id="comment"), owner="editor", others=403
    ),
    ("DELETE", "/api/v1/content/{id}/comments/{comment_id}"): Case(
        Permission.COMMENT, ids=on_draft(comment_id="comment"), owner="editor", others=403
    ),
    ("POST", "/api/v1/content/{id}/comments/{comment_id}/resolve"): Case(
        Permission.COMMENT, ids=on_draft(comment_id="comment")
    ),
    ("POST", "/api/v1/content/{id}/comments/{comment_id}/reopen"): Case(
        Permission.COMMENT, ids=on_draft(comment_id="resolved")
    ),
    ("GET", "/api/v1/assignments"): Case(ids={"user_id": "viewer"}, query="?user_id={user_id}", narrowing=True),
    ("GET", "/api/v1/content/{id}/assignees"): Case(ids=of("draft")),
    ("PUT", "/api/v1/content/{id}/assignees/{user_id}"): Case(
        Permission.ASSIGN_CONTENT, {"due_at": TIME["scheduled_at"]}, on_draft(user_id="viewer")
    ),
    ("DELETE", "/api/v1/content/{id}/assignees/{user_id}"): Case(
        Permission.ASSIGN_CONTENT, ids=on_draft(user_id="assignee")
    ),
    ("GET", "/api/v1/audit"): Case(Permission.READ_AUDIT),
    ("GET", "/api/v1/audit/export"): Case(Permission.READ_AUDIT),
    ("GET", "/api/v1/approval-policies"): Case(Permission.MANAGE_POLICIES),
    ("PUT", "/api/v1/approval-policies"): Case(Permission.MANAGE_POLICIES, POLICY),
    ("GET", "/api/v1/accounts"): Case(Permission.READ_INTAKE),
    ("GET", "/api/v1/rejections"): Case(Permission.READ_INTAKE),
    ("GET", "/api/v1/rejections/reasons"): Case(Permission.READ_INTAKE),
    ("GET", "/api/v1/commands"): Case(Permission.MANAGE_COMMANDS),
    ("POST", "/api/v1/commands/{id}/replay"): Case(Permission.MANAGE_COMMANDS, ids=of("command")),
    ("DELETE", "/api/v1/commands/{id}"): Case(Permission.MANAGE_COMMANDS, ids=of("command")),
    ("POST", "/api/v1/write-keys"): Case(Permission.MANAGE_WRITE_KEYS, KEY),
    ("GET", "/api/v1/write-keys"): Case(Permission.MANAGE_WRITE_KEYS),
    ("DELETE", "/api/v1/write-keys/{id}"): Case(Permission.MANAGE_WRITE_KEYS, ids=of("write_key")),
}

DOCUMENT = create_app(Settings()).openapi()
OPERATIONS = {
    (method.upper(), path): operation
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
}
CLOSED = sorted(OPERATIONS.keys() - PUBLIC)


def ids_of(route: tuple[str, str]) -> set[str]:
    """The names of all ids that a route takes: in its path, its query, its body. The header is test_visits.py's."""
    operation = OPERATIONS[route]
    asked = {
        one["name"]
        for one in operation.get("parameters", ())
        if "uuid" in json.dumps(one["schema"]) and one["in"] != "header"
    }
    return asked | set(ids_in(operation.get("requestBody", {}), ""))


def ids_in(schema: Any, name: str, seen: tuple[str, ...] = ()) -> Iterator[str]:
    """The properties of a JSON schema, however deep, that hold ids."""
    if isinstance(schema, list):
        for one in schema:
            yield from ids_in(one, name, seen)
    elif isinstance(schema, dict):
        if schema.get("format") == "uuid":
            yield name
        if (ref := schema.get("$ref")) and ref not in seen:
            yield from ids_in(DOCUMENT["components"]["schemas"][ref.rpartition("/")[2]], name, (*seen, ref))
        for key, value in schema.items():
            if key == "properties":
                for inner, of_inner in value.items():
                    yield from ids_in(of_inner, inner, seen)
            elif key != "example":
                yield from ids_in(value, name, seen)
