-- Up to which position does the ledger hold anything of each partition?
SELECT partition, max(position) + 1 AS reached
FROM engagement_events
GROUP BY partition
SETTINGS final = 0
