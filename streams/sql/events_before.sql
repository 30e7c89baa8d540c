-- Asked by the counting, of (content, minute) buckets that it does not hold: which events were in each before our position?
-- limits: per partition (counted from 0), the first position not yet counted.
SELECT
    organization_id,
    content_id,
    id,
    platform,
    kind,
    robot,
    value
FROM engagement_events
WHERE (organization_id, content_id, minute) IN (
        SELECT arrayJoin(arrayZip({organizations:Array(UUID)}, {contents:Array(UUID)}, {minutes:Array(DateTime('UTC'))}))
    )
    AND position < arrayElement({limits:Array(UInt64)}, partition + 1)
