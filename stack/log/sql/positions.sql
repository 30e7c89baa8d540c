-- How far is each partition carried into all stores?
SELECT partition, max(next_offset) AS next_offset
FROM stream_positions
WHERE topic = {topic:String} AND epoch = {epoch:UInt32}
GROUP BY partition
