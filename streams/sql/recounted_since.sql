-- Asked when a worker begins in a generation that was not carried everywhere: since which positions, per partition, may
-- the aggregates lack something?
SELECT minForEach(since) AS since
FROM recounts
WHERE generation > {told:UInt32} AND generation <= {generation:UInt32}
