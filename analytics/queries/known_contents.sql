-- Asked by `tallywire verify`: which of these contents does the ledger, the aggregate or the snapshots know?
SELECT DISTINCT organization_id, content_id
FROM
(
    SELECT organization_id, content_id FROM engagement_events
    UNION ALL SELECT organization_id, content_id FROM engagement_minutes
    UNION ALL SELECT organization_id, content_id FROM engagement_snapshots
)
WHERE (organization_id, content_id) IN {contents:Array(Tuple(UUID, UUID))}
SETTINGS final = 0
