"""The state machine of content: which action leads from where to where, and who may take it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from api.auth.rules import Permission
from api.content.models import ComplianceStatus, ContentStatus
from api.errors import Conflict

DRAFT, PENDING, APPROVED, PUBLISHED, ARCHIVED = ContentStatus


class Action(StrEnum):
    """What can be done to a piece, besides editing it."""

    SUBMIT = "submit"
    APPROVE = "approve"
    REJECT = "reject"
    RETURN = "return"
    PUBLISH = "publish"
    SCHEDULE = "schedule"
    UNSCHEDULE = "unschedule"
    ARCHIVE = "archive"
    RESTORE = "restore"


@dataclass(frozen=True)
class Transition:
    """One line of the table."""

    came_from: frozenset[ContentStatus]
    to: ContentStatus
    compliance: ComplianceStatus | None
    """what compliance says afterwards; None leaves it"""
    permission: Permission
    event: str


def _line(
    came_from: set[ContentStatus], to: ContentStatus, compliance: ComplianceStatus | None, who: Permission, event: str
) -> Transition:
    return Transition(frozenset(came_from), to, compliance, who, f"content.{event}")


EDIT, JUDGE = Permission.SUBMIT_CONTENT, Permission.APPROVE_CONTENT
WAIT, YES, NO = ComplianceStatus.PENDING, ComplianceStatus.APPROVED, ComplianceStatus.REJECTED

TRANSITIONS: Final = {
    Action.SUBMIT: _line({DRAFT}, PENDING, WAIT, EDIT, "submitted"),
    Action.APPROVE: _line({PENDING}, APPROVED, YES, JUDGE, "approved"),
    Action.REJECT: _line({PENDING, APPROVED}, DRAFT, NO, JUDGE, "rejected"),
    Action.RETURN: _line({PENDING, APPROVED}, DRAFT, WAIT, EDIT, "returned"),
    Action.PUBLISH: _line({APPROVED}, PUBLISHED, None, EDIT, "published"),
    Action.SCHEDULE: _line({APPROVED}, APPROVED, None, EDIT, "scheduled"),
    Action.UNSCHEDULE: _line({APPROVED}, APPROVED, None, EDIT, "unscheduled"),
    Action.ARCHIVE: _line({DRAFT, APPROVED, PUBLISHED}, ARCHIVED, None, EDIT, "archived"),
    Action.RESTORE: _line({ARCHIVED}, DRAFT, WAIT, EDIT, "restored"),
}
"""`approve` leads on with the last approval that the policy asks for, `publish` once the worker has carried it out."""
VOIDING: Final = frozenset({Action.REJECT, Action.RETURN, Action.ARCHIVE, Action.RESTORE})
"""What ends the approvals that there are."""


def check(action: Action, status: ContentStatus) -> Transition:
    """The line of an action that is possible in this state. Raises Conflict for one that is not."""
    line = TRANSITIONS[action]
    if status not in line.came_from:
        needed = " or ".join(sorted(one.value for one in line.came_from))
        raise Conflict(f"{action.value} needs {needed} content, and this is {status.value}")
    return line
