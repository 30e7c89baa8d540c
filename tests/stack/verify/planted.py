"""Each way in which one figure of one store can be wrong."""

import json
from uuid import uuid4

from tests.stack.verify.conftest import MAKE_CONTENT, MINUTES, NOW, OLD, RECENT, System, make_organization
from wire.counters import Cell, snapshots_key


async def lose_a_ledger_row(system: System) -> None:
    system.clickhouse.command(
        "DELETE FROM engagement_events WHERE content_id = {c:UUID} AND kind = 'read'", {"c": system.pieces[0]}
    )


async def add_a_ledger_row(system: System) -> None:
    system.events(system.event(system.pieces[0], OLD, "view", "web"))


async def account_for_one_more(system: System) -> None:
    system.account(1, accepted=2)


async def claim_what_nobody_counted(system: System) -> None:
    system.account(0, accepted=2)


async def grow_an_aggregate(system: System) -> None:
    row = (system.organization, system.pieces[0], OLD.replace(second=0), "web", "view", 2, 0, 0)
    system.clickhouse.insert("engagement_minutes", [row], MINUTES)


async def add_an_aggregate_of_an_unknown_piece(system: System) -> None:
    row = (system.organization, uuid4(), OLD.replace(second=0), "web", "view", 1, 0, 0)
    system.clickhouse.insert("engagement_minutes", [row], MINUTES)


async def change_a_redis_total(system: System) -> None:
    await system.count(system.pieces[0], [Cell("web", "view", 3, 0, 1501), Cell("facebook", "read", 1, 1, 7)])


async def break_a_redis_total(system: System) -> None:
    await system.redis.hset(*system.counter(system.pieces[0]), "[[")


async def lose_a_redis_total(system: System) -> None:
    await system.redis.hdel(*system.counter(system.pieces[0]))


async def add_a_redis_total_of_an_unknown_piece(system: System) -> None:
    await system.count(uuid4(), [Cell("web", "view", 1, 0, 0)])


async def change_a_redis_minute(system: System) -> None:
    cells = [Cell("web", "view", 1, 0, 1500), Cell("facebook", "read", 1, 1, 7)]
    await system.count(system.pieces[0], cells, RECENT)


async def lose_a_redis_minute(system: System) -> None:
    await system.redis.hdel(*system.counter(system.pieces[0], RECENT))


async def add_a_redis_minute(system: System) -> None:
    await system.count(system.pieces[0], [Cell("web", "view", 1, 0, 0)], NOW)


async def change_postgres(system: System) -> None:
    path = "{totals,facebook,read,robots}"
    await system.postgres.execute(
        "UPDATE content SET engagement_stats = jsonb_set(engagement_stats, $1, '0') WHERE id = $2",
        path.strip("{}").split(","),
        system.pieces[0],
    )


async def lower_a_postgres_version(system: System) -> None:
    await system.postgres.execute("UPDATE content SET engagement_version = 3 WHERE id = $1", system.pieces[0])


async def lose_a_postgres_row(system: System) -> None:
    await system.postgres.execute("DELETE FROM content WHERE id = $1", system.pieces[0])


async def give_a_postgres_row_away(system: System) -> None:
    other = uuid4()
    await make_organization(system.postgres, other)
    await system.postgres.execute("SET session_replication_role = replica")  # the gate would refuse it
    await system.postgres.execute(
        "UPDATE content SET organization_id = $1, creator_id = users.id FROM users "
        "WHERE content.id = $2 AND users.organization_id = $1",
        other,
        system.pieces[0],
    )


async def add_postgres_stats_of_an_unknown_piece(system: System) -> None:
    stats = json.dumps({"totals": {"web": {"view": {"count": 1, "robots": 0, "value": 0}}}})
    await system.postgres.execute(MAKE_CONTENT, uuid4(), system.organization, stats, 1)


async def change_a_redis_snapshot(system: System) -> None:
    key = snapshots_key(system.organization, system.pieces[0])
    await system.redis.hset(key, "facebook|share", f"{int(NOW.timestamp()) * 1000}|8")


async def change_a_postgres_snapshot(system: System) -> None:
    await system.postgres.execute(
        "UPDATE content SET engagement_stats = jsonb_set(engagement_stats, $1, '10') WHERE id = $2",
        ["snapshots", "facebook", "share", "count"],
        system.pieces[0],
    )
