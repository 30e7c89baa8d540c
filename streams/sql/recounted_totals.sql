-- Asked when PostgreSQL is told of a recount: how many events has the ledger of each of these pieces, and what are they,
-- as `wire.counters` writes cells?
SELECT organization_id, content_id, sum(count) AS events,
    toJSONString(groupArray((platform, kind, count, robots, thousandths))) AS cells
FROM
(
    SELECT organization_id, content_id, platform, kind, count() AS count, countIf(robot) AS robots, sum(value) AS thousandths
    FROM engagement_events
    WHERE (organization_id, content_id) IN (SELECT arrayJoin(arrayZip({organizations:Array(UUID)}, {contents:Array(UUID)})))
    GROUP BY organization_id, content_id, platform, kind
)
GROUP BY organization_id, content_id
SETTINGS output_format_json_quote_64bit_integers = 0
