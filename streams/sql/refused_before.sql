-- Asked on each assignment: which messages of each partition were set aside, the last ones before where it goes on?
-- offsets: where it goes on, for each of the sources.
SELECT source, groupArray(place)
FROM
(
    SELECT source, place
    FROM rejections
    WHERE organization_id = toUUID('00000000-0000-0000-0000-000000000000') AND source IN {sources:Array(String)}
        AND place < arrayElement({offsets:Array(UInt64)}, indexOf({sources:Array(String)}, source))
    ORDER BY place DESC
    LIMIT {most:UInt32} BY source
)
GROUP BY source
