-- Asked by `tallywire verify`: what did each platform last say of these contents, and when?
SELECT organization_id, content_id, platform, kind,
    toUnixTimestamp64Milli(max(s.captured_at)) AS captured_at_ms, argMax(s.count, s.captured_at) AS count
FROM engagement_snapshots AS s
WHERE (organization_id, content_id) IN {contents:Array(Tuple(UUID, UUID))}
GROUP BY organization_id, content_id, platform, kind
