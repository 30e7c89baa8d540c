-- Asked when Redis has lost something: which pieces of a partition were counted at or after a position?
SELECT DISTINCT organization_id, content_id
FROM engagement_events
WHERE partition = {partition:UInt16} AND position >= {position:UInt64}
SETTINGS final = 0
