-- What is not to be counted again of a month: as it is.
INSERT INTO {table:Identifier} (organization_id, content_id, minute, platform, kind, count, robots, value)
SELECT organization_id, content_id, minute, platform, kind, count, robots, value
FROM engagement_minutes
WHERE toYYYYMM(minute) = {month:UInt32}
    AND NOT (minute >= {since:DateTime('UTC')} AND (empty({contents:Array(UUID)}) OR content_id IN {contents:Array(UUID)}))
