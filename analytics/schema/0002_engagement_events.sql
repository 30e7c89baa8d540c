-- The ledger: every engagement event once, however often it was delivered. Of rows with one id the earliest in the log
-- stays, whatever the order in which they were inserted. `minute` follows from the id, so one id is always one row;
-- `value` counts thousandths; `position` is the log's epoch and the offset in its partition.
CREATE TABLE IF NOT EXISTS engagement_events
(
    organization_id UUID,
    content_id      UUID,
    minute          DateTime('UTC') CODEC(Delta, ZSTD),
    id              UUID,
    kind            LowCardinality(String),
    platform        LowCardinality(String),
    robot           Bool,
    value           UInt64,
    actor           String,
    attributes      String CODEC(ZSTD),
    received_at     DateTime64(3, 'UTC'),
    partition       UInt16,
    position        UInt64,
    precedence      UInt64 DEFAULT bitNot(position)
)
ENGINE = ReplacingMergeTree(precedence)
PARTITION BY toYYYYMM(minute)
ORDER BY (organization_id, content_id, minute, id)
