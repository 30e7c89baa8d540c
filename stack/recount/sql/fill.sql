-- What is to be counted again of a month: all of it from the ledger.
INSERT INTO {table:Identifier} (organization_id, content_id, minute, platform, kind, count, robots, value)
SELECT organization_id, content_id, minute, platform, kind, count(), countIf(robot), sum(e.value)
FROM engagement_events AS e
WHERE toYYYYMM(minute) = {month:UInt32} AND minute >= {since:DateTime('UTC')}
    AND (empty({contents:Array(UUID)}) OR content_id IN {contents:Array(UUID)})
GROUP BY organization_id, content_id, minute, platform, kind
SETTINGS optimize_aggregation_in_order = 1
