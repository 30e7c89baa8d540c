-- Asked by `tallywire rejections`: what was refused since then, of these organizations (none named: of all), the newest
-- first? An empty `reason` means any. What names no organization is of the one whose id is all zeros.
SELECT organization_id, id, source, place, reason, detail, sample, rejected_at
FROM rejections
WHERE (empty({organizations:Array(UUID)}) OR organization_id IN {organizations:Array(UUID)})
    AND ({reason:String} = '' OR reason = {reason:String})
    AND rejected_at >= {since:DateTime('UTC')}
ORDER BY rejected_at DESC, id DESC
LIMIT {limit:UInt32}
