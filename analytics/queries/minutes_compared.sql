-- Asked by `tallywire verify`: of each of these contents, how many minutes do the ledger and the aggregate tell of, and
-- in which do they differ (the first thousand)?
SELECT organization_id, content_id, count() AS compared,
    groupArrayIf(1000)((minute, platform, kind, ledger, aggregate), ledger != aggregate) AS differences
FROM
(
    SELECT organization_id, content_id, minute, platform, kind,
        (sum(l.1), sum(l.2), sum(l.3)) AS ledger, (sum(a.1), sum(a.2), sum(a.3)) AS aggregate
    FROM
    (
        SELECT organization_id, content_id, minute, platform, kind,
            (count(), countIf(robot), sum(value)) AS l, (0, 0, 0) AS a
        FROM engagement_events
        WHERE (organization_id, content_id) IN {contents:Array(Tuple(UUID, UUID))}
        GROUP BY organization_id, content_id, minute, platform, kind
        UNION ALL
        SELECT organization_id, content_id, minute, platform, kind, (0, 0, 0), (count, robots, value)
        FROM engagement_minutes
        WHERE (organization_id, content_id) IN {contents:Array(Tuple(UUID, UUID))}
    )
    GROUP BY organization_id, content_id, minute, platform, kind
)
GROUP BY organization_id, content_id
