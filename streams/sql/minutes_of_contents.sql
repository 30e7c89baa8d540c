-- Asked when Redis has lost something: what does each of these pieces amount to, in all (minute 0) and in each minute
-- (unix time // 60) from `since` on?
SELECT organization_id, content_id, toInt64(0) AS minute, platform, kind, sum(count) AS events, sum(robots) AS robots, sum(value) AS thousandths
FROM engagement_minutes
WHERE (organization_id, content_id) IN (SELECT arrayJoin(arrayZip({organizations:Array(UUID)}, {contents:Array(UUID)})))
GROUP BY organization_id, content_id, platform, kind
UNION ALL
SELECT organization_id, content_id, intDiv(toUnixTimestamp(minute), 60) AS minute, platform, kind, count AS events, robots, value AS thousandths
FROM engagement_minutes
WHERE (organization_id, content_id) IN (SELECT arrayJoin(arrayZip({organizations:Array(UUID)}, {contents:Array(UUID)})))
    AND engagement_minutes.minute >= toDateTime({since:Int64} * 60, 'UTC')
