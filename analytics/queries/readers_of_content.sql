-- Asked by the API: how many distinct readers did one piece have on each day (UTC), robots and events without an actor
-- apart? Exact on days with at most `exact_up_to` events; above, a sketch of 2^20 registers, whose standard error is 0.1 %.
WITH few AS
(
    SELECT toDate(minute, 'UTC') FROM engagement_minutes
    WHERE organization_id = {organization_id:UUID} AND content_id = {content_id:UUID}
        AND minute >= {since:DateTime('UTC')} AND minute < {until:DateTime('UTC')}
    GROUP BY 1 HAVING sum(count) <= {exact_up_to:UInt64}
)
SELECT toDate(minute, 'UTC') AS day, day IN few AS exact, count() AS events, countIf(robot) AS robots,
    countIf(NOT robot AND actor = '') AS unknown,
    uniqExactIf(actor, exact AND NOT robot AND actor != '')
        + uniqCombined64If(20)(actor, NOT exact AND NOT robot AND actor != '') AS readers
FROM engagement_events
WHERE organization_id = {organization_id:UUID} AND content_id = {content_id:UUID}
    AND minute >= {since:DateTime('UTC')} AND minute < {until:DateTime('UTC')}
GROUP BY day
ORDER BY day
