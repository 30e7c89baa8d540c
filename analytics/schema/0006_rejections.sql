-- What was refused, where it came from and why; the same refusal again is the same row.
CREATE TABLE IF NOT EXISTS rejections
(
    id              UUID,
    organization_id UUID,
    source          String,
    place           UInt64,
    reason          LowCardinality(String),
    detail          String,
    sample          String CODEC(ZSTD),
    rejected_at     DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY (organization_id, id)
