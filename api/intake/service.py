"""What came in: asked of ClickHouse, shaped for the caller."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from api.doors import ClickHouse
from api.errors import Malformed
from api.intake.schemas import (
    Account,
    AccountsQuery,
    AccountsResponse,
    ReasonResponse,
    ReasonsQuery,
    RejectionResponse,
    RejectionsQuery,
    RejectionsResponse,
    WindowResponse,
)
from wire.accounts import window, window_at

MOST: Final = timedelta(days=31)
DAY: Final = timedelta(days=1)
EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
NOTHING: Final = Account(accepted=0, stored=0, duplicate=0, rejected=0, in_flight=0, lost=0)


async def accounts(
    clickhouse: ClickHouse, organization_id: UUID, query: AccountsQuery, now: datetime
) -> AccountsResponse:
    """The balance of each window. Raises Malformed for more than MOST, Unavailable without ClickHouse."""
    until = query.until or now
    since = window_at(window(int((query.since or until - DAY).timestamp() * 1000)))
    if not timedelta() < until - since <= MOST:
        raise Malformed("until must be later than since, by 31 days at most")
    asked = {"organization_id": organization_id, "since": since, "until": until}
    counted = await clickhouse.ask("accounts_of_organization", **asked)
    refused = await clickhouse.ask("refused_by_window", **asked)
    windows = list(by_window(counted, refused))
    fields = Account.model_fields
    total = Account(**{name: sum(getattr(one, name) for one in windows) for name in fields})
    return AccountsResponse(since=since, until=until, total=total, windows=windows)


def by_window(counted: Iterable[Mapping[str, Any]], refused: Iterable[Mapping[str, Any]]) -> Iterable[WindowResponse]:
    """Accounts and refusals, which come by window and reason, together."""
    reasons: dict[datetime, dict[str, int]] = defaultdict(dict)
    for row in refused:
        reasons[row["window"]][row["reason"]] = row["count"]
    known = {row["window"]: row for row in counted}
    for at in sorted(known.keys() | reasons.keys()):
        yield WindowResponse(**{**NOTHING.model_dump(), "window": at, **known.get(at, {})}, refused=reasons[at])


async def rejections(clickhouse: ClickHouse, organization_id: UUID, query: RejectionsQuery) -> RejectionsResponse:
    """A page of what was refused. Raises Unavailable without ClickHouse."""
    before_ms, before_id = query.place()
    rows = await clickhouse.ask(
        "rejections_of_organization",
        organization_id=organization_id,
        reason=query.reason or "",
        since=query.since or EVER,
        before_ms=before_ms,
        before_id=before_id,
        limit=query.limit + 1,
    )
    return RejectionsResponse.of([RejectionResponse(**row) for row in rows], query.limit)


async def reasons(clickhouse: ClickHouse, organization_id: UUID, query: ReasonsQuery) -> list[ReasonResponse]:
    """How much was refused for each reason. Raises Unavailable without ClickHouse."""
    since = query.since or EVER
    rows = await clickhouse.ask("reasons_of_organization", organization_id=organization_id, since=since)
    return [ReasonResponse(**row) for row in rows]
