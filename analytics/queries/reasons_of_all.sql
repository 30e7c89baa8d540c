-- Asked by `tallywire rejections`: how much of these organizations (none named: of all) was refused for each reason since
-- then?
SELECT reason, count() AS count
FROM rejections
WHERE (empty({organizations:Array(UUID)}) OR organization_id IN {organizations:Array(UUID)})
    AND ({reason:String} = '' OR reason = {reason:String})
    AND rejected_at >= {since:DateTime('UTC')}
GROUP BY reason
ORDER BY count DESC, reason
