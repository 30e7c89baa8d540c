-- Asked by the API: how much of what one organization sent was refused, for which reason, in each five minutes?
SELECT toStartOfFiveMinutes(toDateTime(rejected_at, 'UTC')) AS window, reason, count() AS count
FROM rejections
WHERE organization_id = {organization_id:UUID}
    AND rejected_at >= {since:DateTime('UTC')} AND rejected_at < {until:DateTime('UTC')}
GROUP BY window, reason
ORDER BY window, reason
