"""Lists and search: from what was asked to the one statement that answers it."""

from collections.abc import Mapping
from typing import Any, Final

from api.content.cursors import Position, cursor_of
from api.content.filters import ContentListQuery
from api.content.representation import COLUMNS, encoded, fields_of
from api.reads import Reader, Reads, Statement, confined

FILTERS: Final = {
    "status": "c.status = {}",
    "platform": "c.platforms @> ARRAY[{}::text]",
    "type": "c.type = {}",
    "creator_id": "c.creator_id = {}",
    "assignee_id": "c.id IN (SELECT content_id FROM assignments WHERE organization_id = reader.organization_id "
    "AND user_id = {})",
    "compliance_status": "c.compliance_status = {}",
    "created_from": "c.created_at >= {}",
    "created_to": "c.created_at < {}",
    "updated_from": "c.updated_at >= {}",
    "updated_to": "c.updated_at < {}",
    "published_from": "c.published_at >= {}",
    "published_to": "c.published_at < {}",
    "quality_min": "c.quality_score >= {}",
    "quality_max": "c.quality_score <= {}",
}
KEYS: Final = {
    "created_at": "c.created_at",
    "updated_at": "c.updated_at",
    "published_at": "COALESCE(c.published_at, '0001-01-02T00:00:00Z')",
    "quality_score": "COALESCE(c.quality_score, -1)",
    "relevance": "found.rank::float8",
}
"""What a list is ordered by. What has no value is smaller than all that have one."""
_ITEMS: Final = ", ".join(f"c.{column}" for column in COLUMNS)


def statement(query: ContentListQuery) -> Statement:
    """One row more than the page holds, in order, with `key`, what it is ordered by, and `total`.

    Where nothing is on the page there is one row of nulls beside the total, which is null where a cursor was given.
    """
    values: list[Any] = []

    def bound(value: object) -> str:
        values.append(value)
        return f"${len(Reader._fields) + len(values)}"

    searched = f"search_content({bound(query.q)}) AS found" if query.q is not None else ""
    asked = {name: value for name in FILTERS if (value := getattr(query, name)) is not None}
    conditions = "".join(f" AND {FILTERS[name].format(bound(value))}" for name, value in asked.items())
    sort, after = query.order(), query.after()
    key, way, than = KEYS[sort.key], *(("DESC", "<") if sort.descending else ("ASC", ">"))
    source = f"{searched} JOIN content AS c ON c.id = found.content_id" if searched else "content AS c"
    matching = f"SELECT c.id, {key} AS key FROM {source} WHERE c.organization_id = reader.organization_id{conditions}"  # noqa: S608
    if searched and not asked and sort.key == "relevance":  # what is found says all; it is asked after the reader is in
        matching = f"SELECT content_id AS id, {key} AS key FROM {searched} WHERE reader.organization_id IS NOT NULL"  # noqa: S608
    counted = "SELECT count(*) AS total FROM matching" if query.cursor is None else "SELECT NULL::bigint AS total"
    beyond = f"WHERE (key, id) {than} ({bound(after.key)}, {bound(after.id)})" if after else ""
    rows = f"LIMIT {bound(query.limit + 1)} OFFSET {bound(((query.page or 1) - 1) * query.limit)}"
    ordered = sort.key == "created_at" and query.q is None and (not asked or query.cursor is not None)
    sql = (  # put together of the words above; whatever comes from outside is bound
        f"WITH matching AS {'NOT ' if ordered else ''}MATERIALIZED ({matching}) "  # noqa: S608 - as it says
        f"SELECT counted.total, page.key, {_ITEMS} FROM ({counted}) AS counted LEFT JOIN "
        f"(SELECT id, key FROM matching {beyond} ORDER BY key {way}, id {way} {rows}) AS page ON true "
        f"LEFT JOIN content AS c ON c.id = page.id AND c.organization_id = reader.organization_id"
    )
    return Statement(confined(sql, f"ORDER BY found.key {way}, found.id {way}"), values)


async def read(reads: Reads, reader: Reader, query: ContentListQuery) -> bytes:
    """A list of the organization's pieces, as the JSON of a `ContentListResponse`."""
    return encoded(shaped(await reads.rows(reader, statement(query)), query))


def shaped(rows: list[Mapping[str, Any]], query: ContentListQuery) -> dict[str, Any]:
    """The rows of a statement as a `ContentListResponse`."""
    found = [row for row in rows[: query.limit] if row["id"] is not None]
    more = len(rows) > query.limit
    last = Position(rows[query.limit - 1]["key"], rows[query.limit - 1]["id"]) if more else None
    return {
        "items": [fields_of(row) for row in found],
        "page": None if query.cursor else query.page or 1,
        "limit": query.limit,
        "total": rows[0]["total"] if rows else None,
        "next_cursor": cursor_of(query.order().value, last) if last else None,
    }
