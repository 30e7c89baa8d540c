-- Asked when PostgreSQL is told of a recount: which pieces were counted again, the next ones after this one?
SELECT DISTINCT organization_id, content_id
FROM recounted_pieces
WHERE generation > {told:UInt32} AND generation <= {generation:UInt32}
    AND (organization_id, content_id) > ({organization_id:UUID}, {content_id:UUID})
ORDER BY organization_id, content_id
LIMIT {limit:UInt32}
SETTINGS final = 0
