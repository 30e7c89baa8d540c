-- Whatever has events at or after these positions (per partition, counted from 0), counted again; the larger count wins.
INSERT INTO {table:Identifier} (organization_id, content_id, minute, platform, kind, count, robots, value)
SELECT organization_id, content_id, minute, platform, kind, count(), countIf(robot), sum(e.value)
FROM engagement_events AS e
WHERE (organization_id, content_id, minute) IN (
        SELECT organization_id, content_id, minute
        FROM engagement_events
        WHERE position >= arrayElement({positions:Array(UInt64)}, partition + 1)
    )
GROUP BY organization_id, content_id, minute, platform, kind
