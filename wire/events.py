"""What happens, in the past tense: to content (from the API) and to readers' engagement (from outside)."""

import re
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

import msgspec


class Kind(StrEnum):
    """What a reader did. The order is the code on the wire: append, never reorder."""

    VIEW = "view"
    READ = "read"
    CLICK = "click"
    REACTION = "reaction"
    SHARE = "share"
    COMMENT = "comment"
    SAVE = "save"
    SUBSCRIBE = "subscribe"


KINDS: Final = tuple(kind.value for kind in Kind)
PLATFORM_PATTERN: Final = r"^[a-z][a-z0-9_]{0,31}$"
"""As JSON Schema and pydantic read it; to Python's `re` its `$` is also before a last line end, so there: PLATFORM."""
PLATFORM: Final = re.compile(PLATFORM_PATTERN.removesuffix("$") + r"\Z")
MAX_ACTOR_BYTES: Final = 128
MAX_ATTRIBUTES_BYTES: Final = 4096
MAX_VALUE: Final = 1_000_000_000
"""`value` is a number from 0 to this, kept to a thousandth."""


class ContentState(msgspec.Struct, frozen=True, kw_only=True):
    """A piece as it stood after the change: what processors need to know of it."""

    type: str
    title: str
    body: str
    platforms: tuple[str, ...]
    status: str


class ContentEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`content.created`, `content.updated`, ...: written to the outbox in the transaction of the change.

    `assignee_id` and `due_at` are those of the assignment that `content.reminder_due` reminds of.
    """

    id: UUID
    type: str
    organization_id: UUID
    content_id: UUID
    revision: int
    actor_id: UUID
    at: datetime
    content: ContentState
    assignee_id: UUID | None = None
    due_at: datetime | None = None


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A platform's own total at a time: absolute, the latest winning, never added to events."""

    organization_id: UUID
    content_id: UUID
    platform: str
    kind: Kind
    count: int
    captured_at: datetime


class Rejection(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was refused, and why; the same refusal again has the same id and is kept once.

    `source` says where it came from (`http`, or an import's source name), `place` where in it (an index or a line
    number), `reason` is a stable word, `detail` a sentence, `sample` the first part of the input itself.
    """

    id: UUID
    organization_id: UUID
    source: str
    place: int
    reason: str
    detail: str
    sample: str
    rejected_at: datetime


def encode(message: object) -> bytes:
    """Any message of this folder -> JSON."""
    return msgspec.json.encode(message)
