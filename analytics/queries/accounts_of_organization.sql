-- Asked by the API: what became of the events that one organization's senders were told are accepted, in each five
-- minutes of their arrival from `since` on and before `until`?
-- A collector that was killed may not have written its last second of claims: what the log was found to hold of it counts
-- then. What a log that was lost held and nobody counted (its collector's last word is older than the log) is `lost`.
SELECT window, sum(taken) AS accepted, sum(s) AS stored, sum(d) AS duplicate, sum(r) AS rejected,
    sumIf(taken - found, NOT gone) AS in_flight, sumIf(taken - found, gone) AS lost
FROM
(
    SELECT window, collector, sum(c.1) AS claimed, sum(c.2) AS s, sum(c.3) AS d, sum(c.4) AS r,
        s + d + r AS found, greatest(claimed, found) AS taken,
        max(c.5) < (SELECT max(epoch) FROM stream_positions WHERE topic = 'engagement.events.v1') AS gone
    FROM
    (
        SELECT window, collector, (accepted, 0, 0, 0, toUnixTimestamp(last_at)) AS c FROM accepted_events
        WHERE organization_id = {organization_id:UUID}
            AND window >= {since:DateTime('UTC')} AND window < {until:DateTime('UTC')}
        UNION ALL
        SELECT window, collector, (0, stored, duplicate, rejected, 0) FROM counted_events
        WHERE organization_id = {organization_id:UUID}
            AND window >= {since:DateTime('UTC')} AND window < {until:DateTime('UTC')}
    )
    GROUP BY window, collector
)
GROUP BY window
ORDER BY window
