-- Asked by the API: what happened to one piece in each minute from `since` on?
SELECT minute, platform, kind, count, robots, value
FROM engagement_minutes
WHERE organization_id = {organization_id:UUID} AND content_id = {content_id:UUID} AND minute >= {since:DateTime('UTC')}
ORDER BY minute, platform, kind
