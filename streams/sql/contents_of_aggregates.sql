-- Asked when Redis is built anew: which pieces do the aggregates know, in their own order?
SELECT DISTINCT organization_id, content_id
FROM engagement_minutes
ORDER BY organization_id, content_id
SETTINGS final = 0
