-- Few sets of attributes are met by most events, so a part keeps each set once: merges copy a number rather than a text.
ALTER TABLE engagement_events
    MODIFY COLUMN attributes LowCardinality(String) CODEC(LZ4)
