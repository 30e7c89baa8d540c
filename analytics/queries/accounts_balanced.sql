-- Asked by `tallywire verify`: of each organization, how many events do the accounts say were stored, were accounted for in
-- all, were accepted by collectors, and are gone with a log that was lost? And how many has the ledger?
SELECT organization_id, sum(s) AS stored, sum(found) AS counted, sum(taken) AS accepted, sum(gone) AS lost, sum(l) AS ledger
FROM
(
    SELECT organization_id, sum(c.1) AS claimed, sum(c.2) AS s, sum(c.3) AS found, sum(c.4) AS l,
        greatest(claimed, found) - found AS behind,
        max(c.5) < (SELECT max(epoch) FROM stream_positions WHERE topic = 'engagement.events.v1') AS is_over,
        if(is_over, behind, 0) AS gone, found + behind - gone AS taken
    FROM
    (
        SELECT organization_id, window, collector, (0, stored, stored + duplicate + rejected, 0, 0) AS c
        FROM counted_events
        UNION ALL
        SELECT organization_id, window, collector, (accepted, 0, 0, 0, toUnixTimestamp(last_at)) FROM accepted_events
        UNION ALL
        SELECT organization_id, toDateTime(0, 'UTC'), toUUID('00000000-0000-0000-0000-000000000000'), (0, 0, 0, count(), 0)
        FROM engagement_events GROUP BY organization_id
    )
    GROUP BY organization_id, window, collector
)
GROUP BY organization_id
