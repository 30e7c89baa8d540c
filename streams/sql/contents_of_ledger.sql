-- Asked when a worker begins: which pieces does the ledger know? The aggregates know the same ones in fewer rows, but
-- the counting rests on the ledger alone.
SELECT DISTINCT organization_id, content_id
FROM engagement_events
LIMIT {most:UInt64}
SETTINGS final = 0
