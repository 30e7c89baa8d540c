-- Asked when Redis is built anew: what does each piece from the first given to the second amount to, in all (minute 0)
-- and in each minute (unix time // 60) from `since` on? Written so that the primary key finds them; of a tuple it does not.
SELECT organization_id, content_id, toInt64(0) AS minute, platform, kind, sum(count) AS events, sum(robots) AS robots, sum(value) AS thousandths
FROM engagement_minutes
WHERE organization_id BETWEEN {organizations:Array(UUID)}[1] AND {organizations:Array(UUID)}[2]
    AND (organization_id > {organizations:Array(UUID)}[1] OR content_id >= {contents:Array(UUID)}[1])
    AND (organization_id < {organizations:Array(UUID)}[2] OR content_id <= {contents:Array(UUID)}[2])
GROUP BY organization_id, content_id, platform, kind
UNION ALL
SELECT organization_id, content_id, intDiv(toUnixTimestamp(minute), 60) AS minute, platform, kind, count AS events, robots, value AS thousandths
FROM engagement_minutes
WHERE organization_id BETWEEN {organizations:Array(UUID)}[1] AND {organizations:Array(UUID)}[2]
    AND (organization_id > {organizations:Array(UUID)}[1] OR content_id >= {contents:Array(UUID)}[1])
    AND (organization_id < {organizations:Array(UUID)}[2] OR content_id <= {contents:Array(UUID)}[2])
    AND engagement_minutes.minute >= toDateTime({since:Int64} * 60, 'UTC')
