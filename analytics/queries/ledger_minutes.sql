-- Asked by `tallywire verify`: what does the ledger say of each minute of these contents from `since` on, and when was
-- the last event of each received?
SELECT organization_id, content_id, minute, platform, kind,
    count() AS count, countIf(robot) AS robots, sum(e.value) AS value, max(received_at) AS received_at
FROM engagement_events AS e
WHERE (organization_id, content_id) IN {contents:Array(Tuple(UUID, UUID))} AND minute >= {since:DateTime('UTC')}
GROUP BY organization_id, content_id, minute, platform, kind
