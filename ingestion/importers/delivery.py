"""What the parsers found, brought through the front doors: piece by piece in order, a few requests at a time."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any, Final, TypeVar

from ingestion.client import Client, Taken
from ingestion.importers.access_log import View
from ingestion.importers.posts import Post
from ingestion.importers.refused import Refused

CHUNK: Final = 2_000
"""Lines that are parsed, and then delivered in at most one request of each sort."""
MAX_PIECES: Final = 1_000
UNDER_WAY: Final = 4
"""Chunks that are being delivered at a time: what bounds the memory."""
MAX_TITLE: Final = 200
MAX_SOURCE_REF: Final = 500

Entry = TypeVar("Entry")
Send = Callable[[list[dict[str, Any]]], Awaitable[Taken]]
Parcel = tuple[Send, list[dict[str, Any]]]


@dataclass
class Summary:
    """What an import did. `refused` is by reason: the importer's own; `not_taken` is the collector's."""

    read: int = 0
    views: int = 0
    robots: int = 0
    pages: int = 0
    posts: int = 0
    new_pieces: int = 0
    accepted: int = 0
    snapshots: Counter[str] = field(default_factory=Counter)
    sums: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    not_taken: Counter[str] = field(default_factory=Counter)


async def views(
    entries: Iterable[View | Refused], client: Client, summary: Summary, progress: Callable[[], None]
) -> None:
    """Bring an access log's entries: pages as pieces, views as events, refusals as such; counts them in `summary`.

    Which pages are known is all that is remembered. Raises Transient or Poison as the client does: what was brought by
    then stays, and the same import again brings the rest.
    """
    known: dict[str, str] = {}

    async def prepare(chunk: Sequence[View | Refused]) -> list[Parcel]:
        seen = [entry for entry in chunk if isinstance(entry, View)]
        pages = dict.fromkeys(view.path for view in seen if view.path not in known)
        for some in _chunks(pages, MAX_PIECES):
            made = await client.pieces([_page(path) for path in some])
            known.update(zip(some, (piece.id for piece in made), strict=True))
            summary.new_pieces += sum(piece.created for piece in made)
        summary.views += len(seen)
        summary.robots += sum(view.robot for view in seen)
        summary.pages = len(known)
        return [(client.events, [_view(view, known[view.path]) for view in seen])]

    await _deliver_all(entries, prepare, client, summary, progress)


async def posts(
    entries: Iterable[Post | Refused],
    client: Client,
    summary: Summary,
    progress: Callable[[], None],
    *,
    platform: str,
    captured_at: datetime,
) -> None:
    """Bring posts as pieces and their totals as snapshots of `captured_at`. Raises as `views` does."""

    async def prepare(chunk: Sequence[Post | Refused]) -> list[Parcel]:
        found = [entry for entry in chunk if isinstance(entry, Post)]
        totals: list[dict[str, Any]] = []
        for some in _chunks(found, MAX_PIECES):
            made = await client.pieces([_post(post, platform) for post in some])
            summary.new_pieces += sum(piece.created for piece in made)
            for post, piece in zip(some, made, strict=True):
                totals += _totals(post, piece.id, platform, captured_at)
        summary.posts += len(found)
        for total in totals:
            summary.snapshots[total["kind"]] += 1
            summary.sums[total["kind"]] += total["count"]
        return [(client.snapshots, some) for some in _chunks(totals, CHUNK)]

    await _deliver_all(entries, prepare, client, summary, progress)


async def _deliver_all(
    entries: Iterable[Entry | Refused],
    prepare: Callable[[Sequence[Entry | Refused]], Awaitable[list[Parcel]]],
    client: Client,
    summary: Summary,
    progress: Callable[[], None],
) -> None:
    """Chunk by chunk: what `prepare` needs first, then its parcels and the refusals, UNDER_WAY chunks at a time."""
    room = asyncio.Semaphore(UNDER_WAY)

    async def deliver(parcels: Sequence[Parcel], refused: Sequence[Refused]) -> None:
        try:
            for send, items in parcels:
                accepted = await _send(send, items, summary)  # not `+=`: others add while this one waits
                summary.accepted += accepted
            await _send(client.rejections, [entry.told() for entry in refused], summary)
        finally:
            room.release()
        progress()

    try:
        async with asyncio.TaskGroup() as group:
            for chunk in _chunks(entries, CHUNK):
                await room.acquire()
                refused = [entry for entry in chunk if isinstance(entry, Refused)]
                group.create_task(deliver(await prepare(chunk), refused))
                summary.read += len(chunk)
                summary.refused.update(entry.reason for entry in refused)
    except BaseExceptionGroup as failed:
        raise _first(failed) from None


async def _send(send: Send, items: list[dict[str, Any]], summary: Summary) -> int:
    """How many were taken; those that were not are counted by their reason."""
    if not items:
        return 0
    taken = await send(items)
    summary.not_taken.update(one.reason for one in taken.rejected)
    return taken.accepted


def _first(failed: BaseExceptionGroup[BaseException]) -> BaseException:
    error = failed.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


def _chunks(entries: Iterable[Entry], size: int) -> Iterator[list[Entry]]:
    rest = iter(entries)
    while chunk := list(islice(rest, size)):
        yield chunk


def _page(path: str) -> dict[str, Any]:
    return {
        "source_ref": shortened(path, MAX_SOURCE_REF),
        "type": "custom",
        "title": path if len(path) <= MAX_TITLE else f"{path[: MAX_TITLE - 1]}…",
        "platforms": ["web"],
        "status": "published",
    }


def _view(view: View, content_id: str) -> dict[str, Any]:
    return {
        "id": str(view.id),
        "content_id": content_id,
        "kind": "view",
        "platform": "web",
        "actor": view.actor,
        "robot": view.robot,
    }


def _post(post: Post, platform: str) -> dict[str, Any]:
    return {
        "source_ref": shortened(f"{platform}:{post.id}", MAX_SOURCE_REF),
        "type": "news_analysis",
        "title": post.title if len(post.title) <= MAX_TITLE else f"{post.title[: MAX_TITLE - 1]}…",
        "platforms": [platform],
        "status": "published",
        "published_at": post.published_at,
    }


def _totals(post: Post, content_id: str, platform: str, captured_at: datetime) -> list[dict[str, Any]]:
    of_all = {"content_id": content_id, "platform": platform, "captured_at": captured_at}
    return [{**of_all, "kind": kind.value, "count": count} for kind, count in post.counts.items()]


def shortened(name: str, limit: int) -> str:
    """A name of at most `limit` characters: a longer one keeps its start, and a hash of the whole keeps it distinct."""
    if len(name) <= limit:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()
    return f"{name[: limit - len(digest) - 1]}#{digest}"
