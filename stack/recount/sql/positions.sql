-- How far is the log carried into all stores, in its present epoch? Rows of the ledger before that were there when this
-- was asked.
SELECT epoch, partition, max(next_offset) AS next_offset
FROM stream_positions
WHERE topic = {topic:String} AND epoch = (SELECT max(epoch) FROM stream_positions WHERE topic = {topic:String})
GROUP BY epoch, partition
