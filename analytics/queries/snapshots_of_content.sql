-- Asked by the API: what did each platform last say about one piece, and when?
SELECT platform, kind, argMax(s.count, s.captured_at) AS count, max(s.captured_at) AS captured_at
FROM engagement_snapshots AS s
WHERE organization_id = {organization_id:UUID} AND content_id = {content_id:UUID}
GROUP BY platform, kind
ORDER BY platform, kind
