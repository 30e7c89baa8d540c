-- What does the ledger hold of each stretch of each partition, between two positions: how many events, and their
-- checksum? {start} and {end}: per partition, counted from 0.
SELECT partition, intDiv(bitAnd(position, bitShiftLeft(toUInt64(1), 34) - 1), {messages:UInt64}) AS stretch, count() AS events,
    sum(cityHash64(organization_id, content_id, minute, id, kind, platform, robot, value, actor, attributes, received_at, position))
        AS checksum
FROM engagement_events
WHERE position >= arrayElement({start:Array(UInt64)}, partition + 1)
    AND position < arrayElement({end:Array(UInt64)}, partition + 1)
GROUP BY partition, stretch
