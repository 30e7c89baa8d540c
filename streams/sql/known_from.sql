-- Asked when a worker begins: which is the first minute of which the ledger holds nothing?
SELECT toUInt32(if(count() = 0, 0, max(toUnixTimestamp(minute)) / 60 + 1)) AS minute
FROM engagement_events
SETTINGS final = 0
