-- What the ledger held before its accounts were kept: those envelopes' stored events; their duplicates are not known.
INSERT INTO counted_events
SELECT organization_id, toStartOfFiveMinutes(toDateTime(received_at, 'UTC')), partition, position,
    toUUID('00000000-0000-0000-0000-000000000000'), count(), 0, 0
FROM engagement_events
GROUP BY 1, 2, 3, 4
