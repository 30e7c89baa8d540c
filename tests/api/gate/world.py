"""The installation that is searched for a way through its gate, and what is lawful in it."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx2
from fastapi import FastAPI

from api.content.revisions import digest

ADMINS = {"org_admin", "super_admin"}


class WayThrough(AssertionError):
    """A text was published that nobody had approved like this."""


@dataclass
class World:
    """One installation, and the team whose piece it is."""

    client: httpx2.AsyncClient
    app: FastAPI
    team: Any
    pool: asyncpg.Pool
    superuser: asyncpg.Pool
    loop: asyncio.AbstractEventLoop

    def now(self, doing: Coroutine[Any, Any, Any]) -> Any:
        """What a coroutine answers, waited for outside of the loop that runs it."""
        return asyncio.run_coroutine_threadsafe(doing, self.loop).result()


def sha256_of(row: asyncpg.Record) -> str:
    """The hash of a piece as it stands, computed here."""
    return digest(row["type"], row["title"], row["body"], row["platforms"])


async def lawful(superuser: asyncpg.Pool, row: asyncpg.Record) -> bool:
    """Whether a piece may be published as it stands: counted from the rows, none of PostgreSQL's functions asked."""
    policy = await superuser.fetchrow(
        "SELECT steps::text[] AS steps, expires_after FROM approval_policies WHERE organization_id = $1 AND type = $2",
        row["organization_id"],
        row["type"],
    )
    steps, good_for = (policy["steps"], policy["expires_after"]) if policy else (["approver"], timedelta(days=30))
    wrote = await superuser.fetch("SELECT author_id FROM content_revisions WHERE content_id = $1", row["id"])
    authors = {row["creator_id"], *(one["author_id"] for one in wrote)}
    given = await superuser.fetch(
        "SELECT a.*, u.role::text, u.status::text FROM approvals a JOIN users u ON u.id = a.approver_id"
        " WHERE content_id = $1 ORDER BY a.created_at, a.id",
        row["id"],
    )
    valid = [
        one["role"]
        for one in given
        if one["decision"] == "approved"
        and one["voided_at"] is None
        and (one["revision"], one["sha256"]) == (row["revision"], sha256_of(row))
        and one["approver_id"] not in authors
        and one["status"] == "active"
        and one["created_at"] + good_for > datetime.now(UTC)
    ]
    people = {one["approver_id"] for one in given if one["voided_at"] is None and one["decision"] == "approved"}
    matching = all(role in {step, *ADMINS} for step, role in zip(steps, valid, strict=False))
    return len(people) >= len(valid) >= len(steps) and matching
