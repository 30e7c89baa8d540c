-- The platforms' own totals, each as captured at a time. Of one time's captures the larger stays.
CREATE TABLE IF NOT EXISTS engagement_snapshots
(
    organization_id UUID,
    content_id      UUID,
    platform        LowCardinality(String),
    kind            LowCardinality(String),
    captured_at     DateTime64(3, 'UTC'),
    count           UInt64
)
ENGINE = ReplacingMergeTree(count)
ORDER BY (organization_id, content_id, platform, kind, captured_at)
