-- Asked by the API: what of one organization's was refused since then, the newest first, after a place in that order?
-- An empty `reason` means any.
SELECT id, source, place, reason, detail, sample, rejected_at
FROM rejections
WHERE organization_id = {organization_id:UUID} AND ({reason:String} = '' OR reason = {reason:String})
    AND rejected_at >= {since:DateTime('UTC')}
    AND (toUnixTimestamp64Milli(rejected_at), id) < ({before_ms:Int64}, {before_id:UUID})
ORDER BY rejected_at DESC, id DESC
LIMIT {limit:UInt32}
