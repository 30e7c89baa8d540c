-- What does this stretch of the log bring that was not in the log before it: how many events, and their checksum?
SELECT count() AS events,
    sum(cityHash64(organization_id, content_id, minute, id, kind, platform, robot, value, actor, attributes, received_at, position))
        AS checksum
FROM
(
    SELECT * FROM {table:Identifier}
    ORDER BY place
    LIMIT 1 BY organization_id, content_id, id
)
WHERE (organization_id, content_id, minute, id) NOT IN (
        SELECT organization_id, content_id, minute, id
        FROM engagement_events
        WHERE (organization_id, content_id, minute) IN (SELECT organization_id, content_id, minute FROM {table:Identifier})
            AND id IN (SELECT id FROM {table:Identifier})
            AND position < {start:UInt64}
    )
