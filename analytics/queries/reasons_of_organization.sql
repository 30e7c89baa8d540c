-- Asked by the API and `tallywire rejections`: how much was refused for each reason, and when last?
SELECT reason, count() AS count, max(rejected_at) AS last_at
FROM rejections
WHERE organization_id = {organization_id:UUID}
GROUP BY reason
ORDER BY count DESC, reason
