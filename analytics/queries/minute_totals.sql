-- Asked by `tallywire verify`: what do the aggregates say of these contents?
SELECT organization_id, content_id, platform, kind,
    sum(m.count) AS count, sum(m.robots) AS robots, sum(m.value) AS value
FROM engagement_minutes AS m
WHERE (organization_id, content_id) IN {contents:Array(Tuple(UUID, UUID))}
GROUP BY organization_id, content_id, platform, kind
