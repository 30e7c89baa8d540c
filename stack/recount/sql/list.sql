-- To the workers of the next generation: what is counted again, of which PostgreSQL is to be told.
INSERT INTO recounted_pieces
SELECT DISTINCT {generation:UInt32}, organization_id, content_id
FROM
(
    SELECT organization_id, content_id FROM engagement_events
    WHERE minute >= {since:DateTime('UTC')} AND (empty({contents:Array(UUID)}) OR content_id IN {contents:Array(UUID)})
    UNION ALL
    SELECT organization_id, content_id FROM engagement_minutes
    WHERE minute >= {since:DateTime('UTC')} AND (empty({contents:Array(UUID)}) OR content_id IN {contents:Array(UUID)})
)
SETTINGS final = 0
