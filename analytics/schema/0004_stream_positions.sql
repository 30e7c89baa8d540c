-- How far each partition of the log has been carried into all stores: where a worker starts reading.
CREATE TABLE IF NOT EXISTS stream_positions
(
    topic       LowCardinality(String),
    epoch       UInt32,
    partition   UInt16,
    next_offset UInt64,
    written_at  DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(next_offset)
ORDER BY (topic, epoch, partition)
