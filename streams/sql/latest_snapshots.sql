-- Asked when Redis was emptied: what is the latest total of every piece, platform and kind?
SELECT organization_id, content_id, platform, kind, count, captured_at
FROM engagement_snapshots
ORDER BY captured_at DESC, count DESC
LIMIT 1 BY organization_id, content_id, platform, kind
