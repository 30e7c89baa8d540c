"""Checks of the gate, each taken out wherever it stands, and the steps that are then a way through."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NamedTuple

import asyncpg
import pytest
from sqlalchemy import text

from api.approvals import service as approvals
from api.content import service as content
from api.worker import publishing


class Cut(NamedTuple):
    """A part of a function of PostgreSQL's, and what stands in its place."""

    function: str
    old: str
    new: str = ""


class Undone(NamedTuple):
    """A statement of the owner's, and the one that mends what it did; `{app}` is the role that serves requests."""

    done: str
    mended: str


class Replaced(NamedTuple):
    """A name in a module of the API's or the worker's."""

    module: Any
    name: str
    value: Any


@dataclass(frozen=True)
class Fault:
    """How a check is taken out, and a way that only it shuts: methods of a Piece and what they are given."""

    taken_out: tuple[Cut | Undone | Replaced, ...]
    way: tuple[tuple[Any, ...], ...]


async def void_nothing(*_: object) -> None:
    """What an edit that leaves the approvals does."""


def without(statement: str, old: str, new: str) -> str:
    """The statement with a part replaced. Raises AssertionError where it has no such part."""
    assert old in statement, f"the check has moved: {old}"
    return statement.replace(old, new)


HASH = "WHEN content_sha256(type, title, body, platforms) <> $2 THEN 'hash_mismatch'"
TIME = "WHEN scheduled_at IS DISTINCT FROM COALESCE($3, scheduled_at) THEN 'rescheduled'"
SAME_TEXT = "AND given.sha256 = content_sha256(piece.type, piece.title, piece.body, piece.platforms)"
ONCE = "(content_id, revision, approver_id) WHERE decision = 'approved' AND voided_at IS NULL"

FAULTS = {
    "an approver was suspended since": Fault(
        (Cut("standing_approvals", "AND approver.status = 'active'"),),
        (("come_so_far", 2), ("status", "approver", "suspended")),
    ),
    "an approver is none any more": Fault(
        (Cut("steps_taken", "has.role IN (wants.role, 'org_admin', 'super_admin')", "has.role IS NOT NULL"),),
        (("come_so_far", 2), ("becomes", "approver", "viewer")),
    ),
    "an approval is too old": Fault(
        (Cut("publish_refusal", "WHERE created_at + policy.expires_after > clock_timestamp()", "WHERE true"),),
        (("come_so_far", 2), ("a_month_passes",)),
    ),
    "the first step of the policy is enough": Fault(
        (Cut("policy_of", "policy.steps,", "policy.steps[1:1],"),),
        (("policy", ["approver", "org_admin"]), ("come_so_far", 2)),
    ),
    "the policy is asked when approving only": Fault(
        (Cut("content_refusal", "piece.status IN ('approved', 'published')", "piece.status = 'approved'"),),
        (("come_so_far", 2), ("policy", ["approver", "org_admin"]), ("sql", "publish")),
    ),
    "who wrote it counts as an approver": Fault(
        (
            Cut("standing_approvals", "written.author_id = given.approver_id", "false"),
            Cut("guard_approval", "written.author_id = NEW.approver_id", "false"),
            Replaced(approvals, "_WROTE", text("SELECT false")),
        ),
        (("edit", "org_admin", "other"), ("take", "submit", "editor"), ("take", "approve", "org_admin")),
    ),
    "one person counts twice": Fault(
        (
            Undone(
                "DROP INDEX approvals_once",
                f"DELETE FROM approvals; CREATE UNIQUE INDEX approvals_once ON approvals {ONCE}",
            ),
        ),
        (("policy", ["approver"] * 2), ("come_so_far", 2), ("sql", "forge an approval", "approver")),
    ),
    "an edit leaves the approvals": Fault(
        (
            Cut("standing_approvals", "AND given.revision = piece.revision"),
            Cut("standing_approvals", SAME_TEXT),
            Replaced(content, "approvals", SimpleNamespace(void=void_nothing)),
        ),
        (("come_so_far", 2), ("edit", "editor", "other"), ("take", "submit", "editor")),
    ),
    "the worker does not compare the hash": Fault(
        (Replaced(publishing, "_REFUSAL", without(publishing._REFUSAL, HASH, "WHEN $2::text IS NULL THEN ''")),),
        (("come_so_far", 3), ("edit", "editor", "other"), ("come_so_far", 2)),
    ),
    "the worker does not compare the time": Fault(
        (
            Replaced(
                publishing, "_REFUSAL", without(publishing._REFUSAL, TIME, "WHEN $3::timestamptz < '-infinity' THEN ''")
            ),
        ),
        (
            ("come_so_far", 2),
            ("take", "schedule", "editor"),
            ("its_time_comes",),
            ("take", "schedule", "editor"),
            ("work",),
        ),
    ),
    "a published text may change": Fault(
        (Cut("content_refusal", "RETURN 'edited_in_place'", "RETURN NULL"),),
        (("come_so_far", 3), ("work",), ("sql", "edit")),
    ),
    "who serves requests may say what was published elsewhere": Fault(
        (
            Undone(
                "GRANT INSERT (status, origin) ON content TO {app}",
                "REVOKE INSERT (status, origin) ON content FROM {app}; "
                "DELETE FROM content WHERE source_ref = 'smuggled'",
            ),
        ),
        (("sql", "bring another in as published"),),
    ),
}


@asynccontextmanager
async def planted(fault: Fault, superuser: asyncpg.Pool, app: str) -> AsyncIterator[None]:
    """An installation without the check, for a while."""
    mends: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        try:
            for part in fault.taken_out:
                if isinstance(part, Replaced):
                    patch.setattr(part.module, part.name, part.value)
                    continue
                done, mended = part if isinstance(part, Undone) else await cut_out(part, superuser)
                await superuser.execute(done.replace("{app}", app))
                mends.append(mended.replace("{app}", app))
            yield
        finally:
            for mend in reversed(mends):
                await superuser.execute(mend)


async def cut_out(cut: Cut, superuser: asyncpg.Pool) -> Undone:
    """The function without its part, and as it was. Raises AssertionError where it has no such part."""
    defined = "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE proname = $1"
    whole = await superuser.fetchval(defined, cut.function)
    return Undone(without(whole, cut.old, cut.new), whole)
