"""`content.record_engagement` and `content.record_snapshots`: absolute figures of many pieces, of any organizations.

Neither touches `updated_at` or the revision: readers do not edit. Rows are locked in the order of their ids, so that
two commands at once wait for each other and do not lock each other up. Those of no known piece are kept, dead.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Protocol, TypeVar
from uuid import UUID

import asyncpg
import msgspec

from api.worker import unknown
from api.worker.confinement import confine
from wire.commands import Command, Engagement, RecordEngagement, RecordSnapshots, SnapshotTotal
from wire.counters import Cell

_engagement = msgspec.json.Decoder(RecordEngagement)
_snapshots = msgspec.json.Decoder(RecordSnapshots)

Snapshots = dict[str, dict[str, dict[str, Any]]]
"""platform -> kind -> {"count", "captured_at"}"""

_LOCK: Final = """
SELECT id, engagement_version, engagement_stats -> 'snapshots' AS snapshots
FROM content WHERE id = ANY ($1::uuid[]) ORDER BY id FOR NO KEY UPDATE
"""
_RECORD: Final = """
UPDATE content SET engagement_stats = engagement_stats || jsonb_build_object($1::text, update.figures::jsonb),
                   engagement_version = GREATEST(engagement_version, update.version)
FROM unnest($2::uuid[], $3::bigint[], $4::text[]) AS update (id, version, figures)
WHERE content.id = update.id
"""


class _Update(Protocol):
    @property
    def organization_id(self) -> UUID: ...
    @property
    def content_id(self) -> UUID: ...


U = TypeVar("U", bound=_Update)


async def record_engagement(connection: asyncpg.Connection, command: Command) -> None:
    """Keep each piece's totals where their version is larger than the one held."""
    for organization_id, of_pieces in grouped(_engagements(command)).items():
        await confine(connection, organization_id)
        newest = {id_: _newest(updates)[0] for id_, updates in of_pieces.items()}
        held = await _locked(connection, newest)
        newer = [
            update for id_, update in newest.items() if id_ in held and held[id_]["engagement_version"] < update.version
        ]
        figures = [msgspec.json.encode(update.totals or _totals(update.cells)).decode() for update in newer]
        await connection.execute(
            _RECORD, "totals", [update.content_id for update in newer], [update.version for update in newer], figures
        )
        rest = {id_: updates for id_, updates in of_pieces.items() if id_ not in held}
        await unknown.keep(connection, command, organization_id, rest, _engagements, _newest)


async def record_snapshots(connection: asyncpg.Connection, command: Command) -> None:
    """Keep each platform's latest totals; of two captured at one time, the larger."""
    for organization_id, of_pieces in grouped(_totals_told(command)).items():
        await confine(connection, organization_id)
        held = await _locked(connection, of_pieces)
        merged = {
            id_: latest(msgspec.json.decode(row["snapshots"] or "{}"), of_pieces[id_]) for id_, row in held.items()
        }
        figures = [msgspec.json.encode(snapshots).decode() for snapshots in merged.values()]
        await connection.execute(_RECORD, "snapshots", list(merged), [0] * len(merged), figures)
        rest = {id_: updates for id_, updates in of_pieces.items() if id_ not in held}
        await unknown.keep(connection, command, organization_id, rest, _totals_told, _latest_of_each)


def grouped(updates: Iterable[U]) -> Mapping[UUID, Mapping[UUID, list[U]]]:
    """Updates by organization, and there by content; organizations in the order of their ids."""
    groups: dict[UUID, dict[UUID, list[U]]] = defaultdict(lambda: defaultdict(list))
    for update in updates:
        groups[update.organization_id][update.content_id].append(update)
    return dict(sorted(groups.items()))


def latest(held: Snapshots, updates: Iterable[SnapshotTotal]) -> Snapshots:
    """The snapshots held, with every later one put in."""
    merged = {platform: dict(kinds) for platform, kinds in held.items()}
    for update in updates:
        kinds = merged.setdefault(update.platform, {})
        known = kinds.get(update.kind)
        if known is None or (datetime.fromisoformat(known["captured_at"]), known["count"]) < (
            update.captured_at,
            update.count,
        ):
            kinds[update.kind] = {"count": update.count, "captured_at": update.captured_at.isoformat()}
    return merged


def _totals(cells: Iterable[Cell]) -> dict[str, dict[str, dict[str, int]]]:
    totals: dict[str, dict[str, dict[str, int]]] = defaultdict(dict)
    for cell in cells:
        totals[cell.platform][cell.kind] = {"count": cell.count, "robots": cell.robots, "value": cell.value}
    return totals


def _engagements(command: Command) -> Sequence[Engagement]:
    return _engagement.decode(command.payload).updates


def _totals_told(command: Command) -> Sequence[SnapshotTotal]:
    return _snapshots.decode(command.payload).updates


def _newest(updates: Sequence[Engagement]) -> Sequence[Engagement]:
    return [max(updates, key=lambda update: update.version)]


def _latest_of_each(updates: Sequence[SnapshotTotal]) -> Sequence[SnapshotTotal]:
    """Of each platform and kind the latest; of one time's, the larger."""
    in_order = sorted(updates, key=lambda update: (update.captured_at, update.count))
    return list({(update.platform, update.kind): update for update in in_order}.values())


async def _locked(connection: asyncpg.Connection, asked: Iterable[UUID]) -> dict[UUID, asyncpg.Record]:
    """The rows of the pieces that exist, locked."""
    return {row["id"]: row for row in await connection.fetch(_LOCK, list(asked))}
