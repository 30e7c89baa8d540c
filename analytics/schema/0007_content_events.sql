-- What happened to content, as the API told it: one row a change, without the body.
CREATE TABLE IF NOT EXISTS content_events
(
    id              UUID,
    organization_id UUID,
    content_id      UUID,
    type            LowCardinality(String),
    revision        UInt32,
    actor_id        UUID,
    at              DateTime64(3, 'UTC'),
    title           String,
    status          LowCardinality(String),
    content_type    LowCardinality(String),
    platforms       Array(LowCardinality(String)),
    words           UInt32
)
ENGINE = ReplacingMergeTree
ORDER BY (organization_id, content_id, revision, id)
