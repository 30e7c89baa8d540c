-- Asked by the collector, for its gauge: how many accepted events of every organization are not counted yet, of windows
-- from `since` on, and which is the oldest window with such an event (0 where there is none)?
-- What a log that was lost held is not on its way any more.
SELECT sum(open) AS in_flight, toUnixTimestamp(minIf(window, open > 0)) AS oldest
FROM
(
    SELECT window, sum(c.2) AS found, greatest(sum(c.1), found) - found AS behind,
        max(c.3) < (SELECT max(epoch) FROM stream_positions WHERE topic = 'engagement.events.v1') AS gone,
        if(gone, 0, behind) AS open
    FROM
    (
        SELECT organization_id, window, collector, (accepted, 0, toUnixTimestamp(last_at)) AS c FROM accepted_events
        WHERE window >= {since:DateTime('UTC')}
        UNION ALL
        SELECT organization_id, window, collector, (0, stored + duplicate + rejected, 0) FROM counted_events
        WHERE window >= {since:DateTime('UTC')}
    )
    GROUP BY organization_id, window, collector
)
