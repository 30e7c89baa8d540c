-- Until then (unix seconds) the aggregates take no rows, and whoever writes them waits.
ALTER TABLE engagement_minutes
    DROP CONSTRAINT IF EXISTS held,
    ADD CONSTRAINT held CHECK now() > toDateTime({until:UInt32})
