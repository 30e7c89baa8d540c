-- A stretch of the log as it was read: `place` counts its events in the order of the log.
CREATE TABLE {table:Identifier}
(
    place           UInt64,
    position        UInt64,
    organization_id UUID,
    content_id      UUID,
    id              UUID,
    minute          DateTime('UTC') DEFAULT toStartOfMinute(UUIDv7ToDateTime(id, 'UTC')),
    kind            LowCardinality(String),
    platform        LowCardinality(String),
    robot           Bool,
    value           UInt64,
    actor           String,
    attributes      String,
    received_at     DateTime64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY place
