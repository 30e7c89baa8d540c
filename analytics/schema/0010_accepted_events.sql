-- How many events each collector (one run of its process) says that Kafka has taken from it, per organization and five
-- minutes of `received_at`. The numbers only grow, so the larger stays; `last_at` is when it last grew.
CREATE TABLE IF NOT EXISTS accepted_events
(
    organization_id UUID,
    window          DateTime('UTC'),
    collector       UUID,
    accepted        UInt64,
    last_at         DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(accepted)
ORDER BY (organization_id, window, collector)
