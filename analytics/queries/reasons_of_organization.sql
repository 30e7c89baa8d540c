-- Asked by the API: how much of one organization's was refused for each reason since then, and when last?
SELECT reason, count() AS count, max(rejected_at) AS last_at
FROM rejections
WHERE organization_id = {organization_id:UUID} AND rejected_at >= {since:DateTime('UTC')}
GROUP BY reason
ORDER BY count DESC, reason
