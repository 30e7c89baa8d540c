-- Asked by the API: how often has each kind of engagement happened to one piece, on each platform?
SELECT platform, kind, sum(m.count) AS count, sum(m.robots) AS robots, sum(m.value) AS value
FROM engagement_minutes AS m
WHERE organization_id = {organization_id:UUID} AND content_id = {content_id:UUID}
GROUP BY platform, kind
ORDER BY platform, kind
