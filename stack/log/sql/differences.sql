-- In which events do this stretch of the log and the ledger differ (the first hundred)?
SELECT organization_id, content_id, id,
    groupArrayIf((platform, kind, robot, value), in_log) AS log,
    groupArrayIf((platform, kind, robot, value), NOT in_log) AS ledger
FROM
(
    SELECT true AS in_log, organization_id, content_id, id, platform, kind, robot, value,
        cityHash64(organization_id, content_id, minute, id, kind, platform, robot, value, actor, attributes, received_at, position)
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
    UNION ALL
    SELECT false AS in_log, organization_id, content_id, id, platform, kind, robot, value,
        cityHash64(organization_id, content_id, minute, id, kind, platform, robot, value, actor, attributes, received_at, position)
            AS checksum
    FROM engagement_events
    WHERE partition = {partition:UInt16} AND position >= {start:UInt64} AND position < {end:UInt64}
)
GROUP BY organization_id, content_id, id
HAVING sumIf(checksum, in_log) != sumIf(checksum, NOT in_log)
ORDER BY organization_id, content_id, id
LIMIT 100
