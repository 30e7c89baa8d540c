-- Asked by `tallywire verify`: the next contents, in this store's own order, of which the ledger, the aggregate or the
-- snapshots know anything?
SELECT DISTINCT organization_id, content_id
FROM
(
    SELECT DISTINCT organization_id, content_id FROM engagement_events
    WHERE (organization_id, content_id) > ({organization_id:UUID}, {content_id:UUID})
    ORDER BY organization_id, content_id LIMIT {limit:UInt32}
    UNION ALL
    SELECT DISTINCT organization_id, content_id FROM engagement_minutes
    WHERE (organization_id, content_id) > ({organization_id:UUID}, {content_id:UUID})
    ORDER BY organization_id, content_id LIMIT {limit:UInt32}
    UNION ALL
    SELECT DISTINCT organization_id, content_id FROM engagement_snapshots
    WHERE (organization_id, content_id) > ({organization_id:UUID}, {content_id:UUID})
    ORDER BY organization_id, content_id LIMIT {limit:UInt32}
)
ORDER BY organization_id, content_id
LIMIT {limit:UInt32}
SETTINGS final = 0
