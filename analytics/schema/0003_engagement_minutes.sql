-- The aggregate that dashboards read: absolute counts of one minute, of which the larger stays. `count` includes
-- `robots`; `value` sums thousandths.
CREATE TABLE IF NOT EXISTS engagement_minutes
(
    organization_id UUID,
    content_id      UUID,
    minute          DateTime('UTC') CODEC(Delta, ZSTD),
    platform        LowCardinality(String),
    kind            LowCardinality(String),
    count           UInt64,
    robots          UInt64,
    value           UInt64
)
ENGINE = ReplacingMergeTree(count)
PARTITION BY toYYYYMM(minute)
ORDER BY (organization_id, content_id, minute, platform, kind)
