-- What became of the events of each envelope, per organization and five minutes of `received_at`. It follows from the
-- log alone, so a replay writes the same row again. `collector` is the instance that wrote the envelope, zero where that
-- is not known.
CREATE TABLE IF NOT EXISTS counted_events
(
    organization_id UUID,
    window          DateTime('UTC') CODEC(Delta, ZSTD),
    partition       UInt16,
    position        UInt64 CODEC(Delta, ZSTD),
    collector       UUID CODEC(ZSTD),
    stored          UInt64 CODEC(ZSTD),
    duplicate       UInt64 CODEC(ZSTD),
    rejected        UInt64 CODEC(ZSTD)
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(window)
ORDER BY (organization_id, window, partition, position)
