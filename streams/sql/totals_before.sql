-- Asked by the counting, of pieces that it meets for the first time: what did each amount to before our position?
-- limits: per partition (counted from 0), the first position not yet counted.
SELECT
    organization_id,
    content_id,
    platform,
    kind,
    count() AS events,
    countIf(robot) AS robots,
    sum(value) AS thousandths
FROM engagement_events
WHERE (organization_id, content_id) IN (SELECT arrayJoin(arrayZip({organizations:Array(UUID)}, {contents:Array(UUID)})))
    AND position < arrayElement({limits:Array(UInt64)}, partition + 1)
GROUP BY organization_id, content_id, platform, kind
