-- Asked by the API and `tallywire rejections`: what was refused, the newest first? An empty `reason` means any.
SELECT id, source, place, reason, detail, sample, rejected_at
FROM rejections
WHERE organization_id = {organization_id:UUID} AND ({reason:String} = '' OR reason = {reason:String})
ORDER BY rejected_at DESC, source, place DESC, id
LIMIT {limit:UInt32} OFFSET {offset:UInt32}
