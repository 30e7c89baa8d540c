-- The next pieces to be counted again, in ClickHouse's own order, of which the ledger or the aggregates tell anything.
SELECT DISTINCT organization_id, content_id
FROM
(
    SELECT DISTINCT organization_id, content_id FROM engagement_events
    WHERE (organization_id, content_id) > ({organization_id:UUID}, {content_id:UUID})
        AND minute >= {since:DateTime('UTC')} AND (empty({contents:Array(UUID)}) OR content_id IN {contents:Array(UUID)})
    ORDER BY organization_id, content_id LIMIT {limit:UInt32}
    UNION ALL
    SELECT DISTINCT organization_id, content_id FROM engagement_minutes
    WHERE (organization_id, content_id) > ({organization_id:UUID}, {content_id:UUID})
        AND minute >= {since:DateTime('UTC')} AND (empty({contents:Array(UUID)}) OR content_id IN {contents:Array(UUID)})
    ORDER BY organization_id, content_id LIMIT {limit:UInt32}
)
ORDER BY organization_id, content_id
LIMIT {limit:UInt32}
SETTINGS final = 0
